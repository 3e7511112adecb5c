"""A picture of a whole slide: where tissue was found, and where tiles were taken."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from skimage.segmentation import find_boundaries

from disc.data.images import Pixels
from disc.data.slides import Scan

_LONG_SIDE_PX = 1600
_TISSUE = (0, 140, 60)
_TILE = (40, 60, 200, 90)


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
    scale = max(1.0, max(scan.width, scan.height) / _LONG_SIDE_PX)
    picture = Image.fromarray(scan.read_whole(scale * scan.um_per_px)).convert("RGBA")
    grid = Image.new("RGBA", picture.size)
    pen = ImageDraw.Draw(grid)
    for x, y in corners:
        pen.rectangle([x / scale, y / scale, (x + side) / scale, (y + side) / scale], outline=_TILE)
    pixels = np.array(Image.alpha_composite(picture, grid).convert("RGB"))
    shape = Image.fromarray(tissue).resize(picture.size, Image.Resampling.NEAREST)
    pixels[find_boundaries(np.asarray(shape), mode="thick")] = _TISSUE
    return pixels
