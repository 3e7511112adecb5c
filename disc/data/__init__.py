"""Slides and tiles: tables, pixels, wsi, tiles, readers, writing, tiling, check; free of torch."""
