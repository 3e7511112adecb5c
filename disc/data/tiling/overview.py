"""A picture of a whole slide: where tissue was found, and where tiles were taken."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from disc.data.pixels.images import Pixels
from disc.data.wsi.scan import Scan

_LONG_SIDE_PX = 1600
_SHORTEST_PX = 700
"""A level of the pyramid with a long side of so many pixels is taken as it is."""
_TISSUE = (0, 140, 60)
_TILE = (40, 60, 200)


def draw_overview(
    scan: Scan,
    tissue: npt.NDArray[np.bool_],
    corners: Iterable[tuple[int, int]],
    side: float,
) -> Pixels:
    """The slide with the outline of its tissue and the grid of its tiles, uint8 [H, W, 3].

    Args:
        scan: the slide.
        tissue: where there is tissue, at any resolution [h, w].
        corners: level-0 x and y of each tile.
        side: side of a tile in level-0 pixels.
    """
    long_side = max(scan.width, scan.height)
    _, down, _ = scan.level_for(max(1.0, long_side / _SHORTEST_PX))
    scale = max(down, long_side / _LONG_SIDE_PX)
    picture = Image.fromarray(scan.read_whole(scale * scan.um_per_px))
    grid = Image.new("L", picture.size)
    pen = ImageDraw.Draw(grid)
    for x, y in corners:
        pen.rectangle([x / scale, y / scale, (x + side) / scale, (y + side) / scale], outline=150)
    picture.paste(_TILE, mask=grid)
    pixels = np.array(picture)
    shape = Image.fromarray(tissue).resize(picture.size, Image.Resampling.NEAREST)
    pixels[_outline(np.asarray(shape))] = _TISSUE
    return pixels


def _outline(shape: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pixels of a shape that touch what is outside of it, bool [H, W]."""
    is_edge = np.zeros_like(shape)
    for edge, side in ((is_edge, shape), (is_edge.T, shape.T)):
        changes = side[1:] != side[:-1]
        edge[1:] |= changes
        edge[:-1] |= changes
    return is_edge & shape
