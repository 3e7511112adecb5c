"""Slides and tiles as records, sets of tiles, their split."""
