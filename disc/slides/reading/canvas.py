"""A map on disk, written block by block and read in parts, with coarser copies of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.labels import IGNORE, NUM_LABELS
from disc.slides.reading.map_grid import Box, MapGrid

Pixels = npt.NDArray[np.uint8]
SMALLEST_PX = 512
"""Coarser copies end when both sides are at most so long."""
_AT_ONCE_PX = 1024
PLANES = NUM_LABELS + 1
"""Probabilities of the labels, 0 to 255, and the label itself; 255 where there is no tissue."""
MAX_REGION_PX = 16_000_000
"""Outlines are drawn on the finest copy that has no more pixels."""


@dataclass(frozen=True)
class Canvas:
    """The map at one resolution, uint8 [5, height, width] in a file.

    Attributes:
        path: of the file, which is sparse.
        width: in pixels.
        height: likewise.
        step: map pixels per pixel.
    """

    path: Path
    width: int
    height: int
    step: int = 1

    @classmethod
    def create(cls, path: Path, width: int, height: int, step: int = 1) -> Canvas:
        """A new map without tissue."""
        with path.open("wb") as file:
            file.truncate(PLANES * width * height)
        return cls(path, width, height, step)

    def write(
        self, box: Box, probabilities: npt.NDArray[np.float32], tissue: npt.NDArray[np.bool_]
    ) -> None:
        """Put a block in; its labels are those of the rounded probabilities.

        Args:
            box: its place.
            probabilities: float [4, h, w].
            tissue: bool [h, w].
        """
        rounded = np.round(255 * probabilities).astype(np.uint8) * tissue
        self._put(box, rounded, np.where(tissue, probabilities.argmax(0), IGNORE))

    def read(self, box: Box) -> Pixels:
        """A part, uint8 [5, h, w]; 255 in the last plane where there is no tissue."""
        part = np.array(self._open("r")[(slice(None), *box.slices)])
        # Stored are labels + 1, so that what was never written is no tissue.
        part[-1] -= 1
        return part

    def means(self, box: Box) -> tuple[npt.NDArray[np.float64], float]:
        """Mean probabilities over the tissue of a part, [4], which sum to 1, and its fraction."""
        part = self.read(box.within(self.whole()))
        has_tissue = part[-1] != IGNORE
        sums = part[:-1, has_tissue].astype(np.float64).sum(1)
        return sums / max(sums.sum(), 1.0), float(has_tissue.mean())

    def parts(self) -> Iterator[Box]:
        """The map in parts that fit into memory, row by row."""
        for y in range(0, self.height, _AT_ONCE_PX):
            for x in range(0, self.width, _AT_ONCE_PX):
                width, height = min(_AT_ONCE_PX, self.width - x), min(_AT_ONCE_PX, self.height - y)
                yield Box(x, y, width, height)

    def whole(self) -> Box:
        """All of it."""
        return Box(0, 0, self.width, self.height)

    def halve(self) -> Canvas:
        """A copy with half as many pixels a side: means over tissue, and their label."""
        width, height = -(-self.width // 2), -(-self.height // 2)
        path = self.path.with_name(f"{self.path.name}.{2 * self.step}")
        coarse = Canvas.create(path, width, height, 2 * self.step)
        for box in self.parts():
            part = self.read(box)
            part = np.pad(part, ((0, 0), (0, box.height % 2), (0, box.width % 2)), mode="edge")
            tissue = (part[-1] != IGNORE).astype(np.float32)
            sums, counts = _by_four(part[:-1] * tissue), _by_four(tissue[None])[0]
            means = sums / np.maximum(counts, 1) / 255
            place = Box(box.x // 2, box.y // 2, *counts.shape[::-1])
            coarse.write(place, means.astype(np.float32), counts >= 2)
        return coarse

    def _put(self, box: Box, rounded: Pixels, labels: npt.NDArray[np.generic]) -> None:
        stored = (labels.astype(np.uint8) + 1).astype(np.uint8)
        self._open("r+")[(slice(None), *box.slices)] = np.concatenate([rounded, stored[None]])

    def _open(self, mode: str) -> npt.NDArray[np.uint8]:
        """The file as an array, opened anew, so that its pages are given back."""
        shape = PLANES, self.height, self.width
        return np.memmap(self.path, np.uint8, mode, shape=shape)  # type: ignore[call-overload,no-any-return]


def build_pyramid(finest: Canvas) -> list[Canvas]:
    """The map and its coarser copies, finest first."""
    levels = [finest]
    while max(levels[-1].width, levels[-1].height) > SMALLEST_PX:
        levels.append(levels[-1].halve())
    return levels


def choose_for_regions(levels: list[Canvas]) -> Canvas:
    """The finest level on which outlines can be drawn at once."""
    small = [level for level in levels if level.width * level.height <= MAX_REGION_PX]
    return small[0] if small else levels[-1]


def level_edges(
    grid: MapGrid, level: Canvas
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Level-0 coordinates between a level's pixels, across and down."""
    across, down = (
        edges[np.minimum(np.arange(count + 1) * level.step, len(edges) - 1)]
        for edges, count in zip(grid.edges, (level.width, level.height), strict=True)
    )
    return across, down


def _by_four(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sums over squares of two pixels a side, [C, h / 2, w / 2]."""
    count, height, width = planes.shape
    sums: npt.NDArray[np.float32] = planes.reshape(count, height // 2, 2, width // 2, 2).sum((2, 4))
    return sums
