"""A slide at the scale of its map, read in cells; what cannot be read is marked."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.data.pixels.images import Pixels
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.slides.reading.map_grid import Box, MapGrid

CELL_PX = 256
"""Side of what is read at once."""
SMALLEST_PX = 32
"""A cell that cannot be read is divided until its parts are so small."""
MARGIN_PX = 4
"""Read around a cell, so that resampling knows its neighbours."""
MAX_UNREADABLE = 0.01
"""Of the tissue; with more, the slide is given up."""
_CACHED = 64


class Cells:
    """Reads any part of a map's image.

    Attributes:
        unreadable: parts of the map that could not be read.
    """

    def __init__(self, scan: Scan, grid: MapGrid, tissue: npt.NDArray[np.bool_]) -> None:
        """Read a slide on a grid.

        Args:
            scan: the slide.
            grid: its map.
            tissue: where there is tissue, an overview of any resolution [h, w].
        """
        self._scan, self._grid, self._tissue = scan, grid, tissue
        self.unreadable: list[Box] = []
        self._lost: set[Box] = set()
        whole = grid.slide_px[0] * grid.slide_px[1] / grid.scale**2
        self._allowed = MAX_UNREADABLE * float(tissue.mean()) * whole
        self._cell = lru_cache(_CACHED)(self._read_cell)

    @property
    def path(self) -> Path:
        """The slide's file."""
        return self._scan.path

    def read(self, box: Box, windows: Iterable[Box]) -> Pixels:
        """The image of a part of the map, as far as windows cover it, white elsewhere.

        Returns:
            uint8 [h, w, 3].

        Raises:
            BadInput: if more of the tissue cannot be read than is allowed.
        """
        image = np.full((box.height, box.width, 3), 255, np.uint8)
        for column, row in sorted(self._cells_of(windows), key=lambda place: place[::-1]):
            cell = Box(column * CELL_PX, row * CELL_PX, CELL_PX, CELL_PX)
            part = cell.within(box)
            if part.width and part.height:
                source = box.within(cell)
                image[part.slices] = self._cell(column, row)[source.slices]
        return image

    def _cells_of(self, windows: Iterable[Box]) -> set[tuple[int, int]]:
        last = (self._grid.width - 1) // CELL_PX, (self._grid.height - 1) // CELL_PX
        found = set()
        for window in windows:
            columns, rows = (
                range(max(0, start // CELL_PX), min(end, (start + side - 1) // CELL_PX) + 1)
                for start, side, end in (
                    (window.x, window.width, last[0]),
                    (window.y, window.height, last[1]),
                )
            )
            found |= {(column, row) for column in columns for row in rows}
        return found

    def _read_cell(self, column: int, row: int) -> Pixels:
        image = np.full((CELL_PX, CELL_PX, 3), 255, np.uint8)
        cell = Box(column * CELL_PX, row * CELL_PX, CELL_PX, CELL_PX)
        self._fill(image, cell, cell)
        return image

    def _fill(self, image: Pixels, cell: Box, part: Box) -> None:
        """Read a part of a cell; where that fails, its quarters."""
        inner = part.within(cell)
        if part.x >= self._grid.width or part.y >= self._grid.height:
            return
        try:
            image[inner.slices] = self._read(part)
        except BadInput as error:
            self._scan.reopen()
            half = part.width // 2
            if half < SMALLEST_PX:
                image[inner.slices] = self._read_alone(part, error)
                return
            for y in (part.y, part.y + half):
                for x in (part.x, part.x + half):
                    self._fill(image, cell, Box(x, y, half, half))

    def _read_alone(self, part: Box, error: BadInput) -> Pixels:
        """A part without its margin, in which the damage may lie; white if that is not so."""
        try:
            return self._read(part, margin_px=0)
        except BadInput:
            self._scan.reopen()
            self._give_up(part, error)
            return np.full((part.height, part.width, 3), 255, np.uint8)

    def _read(self, part: Box, margin_px: int = MARGIN_PX) -> Pixels:
        left, top = min(margin_px, part.x), min(margin_px, part.y)
        scale = self._grid.scale
        size = part.width + left + margin_px, part.height + top + margin_px
        pixels = self._scan.read((part.x - left) * scale, (part.y - top) * scale, size, scale)
        return pixels[top : top + part.height, left : left + part.width]

    def _give_up(self, part: Box, error: BadInput) -> None:
        """Mark a part as unreadable.

        Raises:
            BadInput: if that is too much.
        """
        if part in self._lost:
            return
        self._lost.add(part)
        self.unreadable.append(part)
        lost = sum(int(self._grid.spread(self._tissue, box).sum()) for box in self.unreadable)
        if lost > self._allowed:
            raise BadInput(
                f"{error}; more than {MAX_UNREADABLE:.0%} of its tissue cannot be read"
            ) from error
