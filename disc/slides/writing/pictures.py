"""Pictures of a graded slide: as it is, and under the colours of its map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from disc.data.pixels.images import encode_png
from disc.data.pixels.mask_colours import colour_table
from disc.data.pixels.picture_legend import Entry, draw_bar, draw_rows
from disc.data.wsi.scan import Scan
from disc.files import BadInput, write_bytes
from disc.labels import IGNORE, NAMES, PALETTES, Label
from disc.slides.reading.canvas import Canvas
from disc.slides.reading.map_grid import Box, MapGrid
from disc.slides.reading.overview import read_overview

Pixels = npt.NDArray[np.uint8]
LONG_SIDE_PX = 1600
OPACITY = 0.6
UNREADABLE = (20, 20, 20)


def look_at(scan: Scan) -> tuple[Pixels, float]:
    """A slide in a picture of at most 1600 px, uint8 [H, W, 3], and its micrometres per pixel.

    Raises:
        BadInput: if nothing of it can be read.
    """
    um_per_px = scan.um_per_px * max(1.0, max(scan.width, scan.height) / LONG_SIDE_PX)
    return read_overview(scan, um_per_px)[0], um_per_px


def colour_map(
    levels: Sequence[Canvas], size: tuple[int, int], grid: MapGrid, lost: Sequence[Box]
) -> Pixels:
    """The map's labels as colours of a picture, transparent where there is no tissue.

    Args:
        levels: the map, finest first.
        size: width and height of the picture.
        grid: of the map.
        lost: parts that could not be read.

    Returns:
        uint8 [H, W, 4].
    """
    enough = [level for level in levels if level.width >= size[0]]
    level = enough[-1] if enough else levels[0]
    if level.width * level.height > 4 * LONG_SIDE_PX**2:
        level = levels[-1]
    labels = level.read(level.whole())[-1]
    # The map's last pixels may reach beyond the slide.
    used = [length / grid.scale / level.step for length in grid.slide_px]
    rows = (np.arange(size[1]) + 0.5) / size[1] * used[1]
    columns = (np.arange(size[0]) + 0.5) / size[0] * used[0]
    picked = labels[
        np.ix_(
            rows.astype(int).clip(0, level.height - 1), columns.astype(int).clip(0, level.width - 1)
        )
    ]
    alpha = np.where(picked == IGNORE, 0, 255).astype(np.uint8)
    colours = np.concatenate([colour_table()[picked], alpha[..., None]], -1)
    for box in lost:
        left, top, right, bottom = (
            round(place * grid.scale / length * extent)
            for place, length, extent in (
                (box.x, grid.slide_px[0], size[0]),
                (box.y, grid.slide_px[1], size[1]),
                (box.x + box.width, grid.slide_px[0], size[0]),
                (box.y + box.height, grid.slide_px[1], size[1]),
            )
        )
        colours[top : max(bottom, top + 2), left : max(right, left + 2)] = (*UNREADABLE, 255)
    return colours


def draw_overlay(
    slide: Pixels, colours: Pixels, um_per_px: float, *, has_lost: bool, notes: Sequence[str] = ()
) -> Pixels:
    """The slide under the map's colours, with scale bar, legend and notes, uint8 [H, W, 3]."""
    alpha = (colours[..., 3:] / 255 * OPACITY).astype(np.float32)
    mixed = (slide * (1 - alpha) + colours[..., :3] * alpha).round().astype(np.uint8)
    entries: list[Entry] = [(NAMES[label], PALETTES["safe"][label]) for label in Label]
    entries += [("could not be read", UNREADABLE)] if has_lost else []
    entries += [(note, None) for note in notes]
    barred = with_bar(mixed, um_per_px)
    return np.concatenate([barred, draw_rows(entries, barred.shape[1])])


def with_bar(slide: Pixels, um_per_px: float) -> Pixels:
    """A picture with a scale bar; one too small for it is framed in white."""
    height, width, _ = slide.shape
    framed = np.full((max(height, 60), max(width, 120), 3), 255, np.uint8)
    framed[:height, :width] = slide
    picture = Image.fromarray(framed)
    draw_bar(picture, um_per_px)
    return np.array(picture)


def write_looked_at(path: Path, scan: Scan) -> None:
    """Write a picture of a slide of which nothing could be graded, if it can be read at all."""
    try:
        slide, um_per_px = look_at(scan)
    except BadInput:
        return
    write_bytes(path, encode_png(with_bar(slide, um_per_px)))
