"""A whole slide in a small picture, also where a part of it is damaged."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from disc.data.pixels.images import Pixels
from disc.data.wsi.scan import Scan
from disc.files import BadInput

PART_PX = 16
"""Side of the parts that are read alone where the whole cannot be read."""
_FINER = (1, 4, 16)
"""A part is tried at its own level, then so many times finer."""


def read_overview(scan: Scan, um_per_px: float) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """A slide at some resolution, and what of it no level could tell.

    A damaged part is looked at in finer levels, then in the coarsest.

    Args:
        scan: the slide; where it fails it is opened again.
        um_per_px: of the picture.

    Returns:
        uint8 [h, w, 3], white where nothing is known, and where that is, bool [h, w].

    Raises:
        BadInput: if it is too large for its levels, or nothing can be read.
    """
    size, scale = scan.size_at(um_per_px)
    unknown = np.zeros(size[::-1], np.bool_)
    try:
        return scan.read(0, 0, size, scale), unknown
    except BadInput as error:
        scan.reopen()
        picture, is_read = _read_parts(scan, size, scale)
        if not is_read.any():
            raise error
    coarse = _read_coarsest(scan, size)
    if coarse is None:
        return picture, ~is_read
    picture[~is_read] = coarse[~is_read]
    return picture, unknown


def _read_parts(
    scan: Scan, size: tuple[int, int], scale: float
) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """The slide part by part, and which could be read."""
    picture = np.full((*size[::-1], 3), 255, np.uint8)
    is_read = np.zeros(size[::-1], np.bool_)
    for y in range(0, size[1], PART_PX):
        for x in range(0, size[0], PART_PX):
            shape = min(PART_PX, size[0] - x), min(PART_PX, size[1] - y)
            part = _read_part(scan, (x, y), shape, scale)
            if part is not None:
                place = slice(y, y + shape[1]), slice(x, x + shape[0])
                picture[place], is_read[place] = part, True
    return picture, is_read


def _read_part(
    scan: Scan, corner: tuple[int, int], size: tuple[int, int], scale: float
) -> Pixels | None:
    """A part of the picture, None where it is damaged in every level that is tried."""
    x, y = (place * scale for place in corner)
    for finer in (each for each in _FINER if each <= max(1.0, scale)):
        wide = size[0] * finer, size[1] * finer
        try:
            read = scan.read(x, y, wide, scale / finer)
        except BadInput:
            scan.reopen()
            continue
        return np.asarray(Image.fromarray(read).resize(size, Image.Resampling.BOX))
    return None


def _read_coarsest(scan: Scan, size: tuple[int, int]) -> Pixels | None:
    try:
        pixels = scan.read_coarsest()
    except BadInput:
        scan.reopen()
        return None
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
