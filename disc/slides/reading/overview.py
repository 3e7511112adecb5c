"""A whole slide in a small picture, also where a part of it is damaged."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from disc.data.pixels.images import Pixels
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.slides.reading.map_grid import Box

PART_PX = 16
"""What cannot be read is halved down to parts of so many pixels."""
MOST_PX = 2048
"""Side of a picture that is asked of a finer level, at most; larger parts are halved first."""
_FINER = (1, 4, 16)
"""A part is tried at its own level, then so many times finer."""


def read_overview(scan: Scan, um_per_px: float) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """A slide at some resolution, and what of it no level could tell.

    A damaged part is looked at in finer levels; where some of it can be read, the rest is taken
    from the coarsest.

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
    waiting = [Box(0, 0, *size)]
    while waiting:
        box = waiting.pop()
        part = _read_part(scan, box, scale)
        if part is not None:
            picture[box.slices], is_read[box.slices] = part, True
        elif max(box.width, box.height) > PART_PX:
            waiting += _halve(box)
    return picture, is_read


def _halve(box: Box) -> tuple[Box, Box]:
    """Both halves of a part, across its longer side, along a grid of the smallest parts."""
    half = PART_PX * math.ceil(max(box.width, box.height) / 2 / PART_PX)
    if box.width > box.height:
        right = Box(box.x + half, box.y, box.width - half, box.height)
        return Box(box.x, box.y, half, box.height), right
    below = Box(box.x, box.y + half, box.width, box.height - half)
    return Box(box.x, box.y, box.width, half), below


def _read_part(scan: Scan, box: Box, scale: float) -> Pixels | None:
    """A part of the picture, None where it is damaged in every level that is tried."""
    for finer in (each for each in _FINER if each <= max(1.0, scale)):
        wide = box.width * finer, box.height * finer
        if finer > 1 and max(wide) > MOST_PX:
            break
        try:
            read = scan.read(box.x * scale, box.y * scale, wide, scale / finer)
        except BadInput:
            scan.reopen()
            continue
        size = box.width, box.height
        return np.asarray(Image.fromarray(read).resize(size, Image.Resampling.BOX))
    return None


def _read_coarsest(scan: Scan, size: tuple[int, int]) -> Pixels | None:
    try:
        pixels = scan.read_coarsest()
    except BadInput:
        scan.reopen()
        return None
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
