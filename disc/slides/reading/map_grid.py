"""The pixels of a map over a slide, and where windows lie on it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from disc.data.wsi.scan import Scan
from disc.files import BadInput

BLOCK_WINDOWS = 16
"""Sides of a window in the side of a block, which is held in memory."""
MAX_BLOCK_PX = 3072
_FINE_ENOUGH = 0.99


@dataclass(frozen=True)
class Box:
    """A rectangle of a map, in its pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def within(self, outer: Box) -> Box:
        """What of it lies in another, by that one's top-left corner."""
        x, y = max(self.x, outer.x), max(self.y, outer.y)
        right = min(self.x + self.width, outer.x + outer.width)
        bottom = min(self.y + self.height, outer.y + outer.height)
        return Box(x - outer.x, y - outer.y, max(0, right - x), max(0, bottom - y))


@dataclass(frozen=True, kw_only=True)
class MapGrid:
    """A map over a slide.

    Attributes:
        width: of the map in its pixels.
        height: likewise.
        scale: level-0 pixels per pixel of the map, seldom a whole number.
        um_per_px: width of a pixel of the map.
        slide_px: width and height of the slide at level 0.
    """

    width: int
    height: int
    scale: float
    um_per_px: float
    slide_px: tuple[int, int]

    @cached_property
    def edges(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Level-0 coordinates between pixels, across [width + 1] and down [height + 1].

        Whole numbers, so that outlines lie exactly on them: pixels are one wider or narrower than
        others where the scale is not a whole number.
        """
        across, down = (
            np.minimum(np.round(np.arange(count + 1) * self.scale).astype(np.int64), length)
            for count, length in zip((self.width, self.height), self.slide_px, strict=True)
        )
        return across, down

    @property
    def um_per_slide_px(self) -> float:
        """Width of a level-0 pixel."""
        return self.um_per_px / self.scale

    def areas_mm2(self, box: Box) -> npt.NDArray[np.float64]:
        """Area of every pixel of a part of the map, [h, w]."""
        across, down = (np.diff(edges) * self.um_per_slide_px / 1000 for edges in self.edges)
        rows, columns = box.slices
        return np.outer(down[rows], across[columns])

    def spread(self, overview: npt.NDArray[np.bool_], box: Box) -> npt.NDArray[np.bool_]:
        """What an overview of the slide says of a part of the map, bool [h, w]; outside False."""
        columns = np.arange(box.x, box.x + box.width)
        rows = np.arange(box.y, box.y + box.height)
        inside = (rows >= 0) & (rows < self.height), (columns >= 0) & (columns < self.width)
        picked = [
            (((places + 0.5) * self.scale / length) * count).astype(np.int64).clip(0, count - 1)
            for places, length, count in zip(
                (rows, columns), self.slide_px[::-1], overview.shape, strict=True
            )
        ]
        found: npt.NDArray[np.bool_] = overview[np.ix_(*picked)] & np.outer(*inside)
        return found


def lay_grid(scan: Scan, um_per_px: float) -> MapGrid:
    """The map of a slide at a resolution, or at the slide's own where that is a little coarser.

    Raises:
        BadInput: if the slide is coarser, or does not say its resolution.
    """
    scale = um_per_px / scan.um_per_px
    if scale < _FINE_ENOUGH:
        raise BadInput(
            f"{scan.path}: has {scan.um_per_px:.3g} µm per pixel, coarser than the "
            f"{um_per_px:.3g} µm that the graders were trained at; give a finer scan"
        )
    scale = max(1.0, scale)
    # No pixel at the edge is so narrow that its edges would be rounded to one.
    width, height = (math.ceil((length - 0.5) / scale) for length in (scan.width, scan.height))
    return MapGrid(
        width=width,
        height=height,
        scale=scale,
        um_per_px=max(um_per_px, scan.um_per_px),
        slide_px=(scan.width, scan.height),
    )


def list_blocks(grid: MapGrid, window_px: int) -> list[Box]:
    """The map in blocks, row by row."""
    side = min(BLOCK_WINDOWS, max(1, MAX_BLOCK_PX // window_px)) * window_px
    return [
        Box(x, y, min(side, grid.width - x), min(side, grid.height - y))
        for y in range(0, grid.height, side)
        for x in range(0, grid.width, side)
    ]


def list_windows(
    block: Box, tissue: npt.NDArray[np.bool_], window_px: int, offset: tuple[int, int] = (0, 0)
) -> Iterator[Box]:
    """Every window that covers tissue of a block, half a window apart, row by row.

    Args:
        block: of the map.
        tissue: of the block, bool [h, w].
        window_px: side of windows.
        offset: how far right and down their grid is moved.
    """
    step = window_px // 2
    sums = np.pad(tissue.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def starts(first: int, length: int, shift: int) -> range:
        lowest = first - window_px + 1
        return range(lowest + (shift - lowest) % step, first + length, step)

    for y in starts(block.y, block.height, offset[1]):
        for x in starts(block.x, block.width, offset[0]):
            part = Box(x, y, window_px, window_px).within(block)
            right, bottom = part.x + part.width, part.y + part.height
            above = sums[part.y, right] - sums[part.y, part.x]
            if sums[bottom, right] - sums[bottom, part.x] > above:
                yield Box(x, y, window_px, window_px)
