"""Regions of a map: the areas of its labels, and what could not be read, as outlines at level 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from disc.labels import Label
from disc.slides.reading.map_grid import Box, MapGrid
from disc.slides.writing.geojson import UNREADABLE, Area
from disc.slides.writing.outlines import Region, number_regions, trace_regions

Edges = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Level-0 coordinates between the pixels of a map, across and down."""
MIN_REGION_MM2 = 0.01
"""Smaller pieces are counted, and not drawn."""
_STRIP_PX = 128
"""Rows of a map whose regions are measured at once."""


def find_areas(
    part: npt.NDArray[np.uint8],
    edges: Edges,
    um_per_px: float,
) -> tuple[Iterator[Area], list[float]]:
    """Regions of a map at level 0, and the areas in mm² of those that are too small to draw.

    Args:
        part: of a canvas, uint8 [5, h, w].
        edges: level-0 coordinates between its pixels, across and down.
        um_per_px: width of a level-0 pixel.

    Returns:
        The regions, which are outlined one by one as they are asked for; and the areas.
    """
    numbers, owners = number_regions(part[-1], [int(label) for label in Label])
    mm2, means = _measure_regions(numbers, len(owners), part, edges, um_per_px)
    is_small = mm2 < MIN_REGION_MM2
    # What is not drawn is not traced either.
    gone = np.append(False, is_small)
    for rows in _list_strips(len(numbers)):
        numbers[rows][gone[numbers[rows]]] = 0

    def outline(region: Region) -> Area:
        shell, *holes = (
            np.stack([edges[0][ring[:, 0]], edges[1][ring[:, 1]]], 1)
            for ring in (region.shell, *region.holes)
        )
        place = region.number - 1
        size, mean = _round_area(mm2[place]), round(float(means[place]), 4)
        measured = {"Area mm2": size, "Mean probability": mean}
        name = Label(owners[place]).name
        return Area(kind=name, shell=shell, holes=holes, measurements=measured)

    return map(outline, trace_regions(numbers)), mm2[is_small].tolist()


def measure_pixels(edges: Edges, um_per_px: float) -> npt.NDArray[np.float64]:
    """Areas of a map's pixels in mm², [h, w]."""
    wide, high = (np.diff(each) for each in edges)
    sizes: npt.NDArray[np.float64] = np.outer(high, wide) * (um_per_px / 1000) ** 2
    return sizes


def _measure_regions(
    numbers: npt.NDArray[np.int32],
    count: int,
    part: npt.NDArray[np.uint8],
    edges: Edges,
    um_per_px: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Areas of numbered regions in mm², and mean probabilities of their labels, [count] each."""
    mm2, sums = np.zeros(count + 1), np.zeros(count + 1)
    for rows in _list_strips(len(numbers)):
        sizes = measure_pixels((edges[0], edges[1][rows.start : rows.stop + 1]), um_per_px)
        labels = np.minimum(part[-1:, rows], len(Label) - 1)
        own = np.take_along_axis(part[:-1, rows], labels, 0)[0]
        # Added pixel by pixel, so that strips change no digit of a sum.
        np.add.at(mm2, numbers[rows].ravel(), sizes.ravel())
        np.add.at(sums, numbers[rows].ravel(), (own * sizes).ravel())
    return mm2[1:], sums[1:] / np.maximum(mm2[1:], 1e-12) / 255


def _list_strips(height: int) -> Iterator[slice]:
    for top in range(0, height, _STRIP_PX):
        yield slice(top, top + _STRIP_PX)


def outline_lost(grid: MapGrid, box: Box) -> Area:
    """What could not be read."""
    across, down = grid.edges
    right, bottom = min(box.x + box.width, grid.width), min(box.y + box.height, grid.height)
    x, y = (across[box.x], across[right]), (down[box.y], down[bottom])
    shell = np.array([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])])
    size = {"Area mm2": _round_area(measure_box(grid, box))}
    return Area(kind=UNREADABLE, shell=shell, holes=(), measurements=size)


def measure_box(grid: MapGrid, box: Box) -> float:
    """Area in mm² of a box's part that lies on the map."""
    inside = Box(
        box.x, box.y, min(box.width, grid.width - box.x), min(box.height, grid.height - box.y)
    )
    return float(grid.areas_mm2(inside).sum())


def _round_area(mm2: float) -> float:
    """To 9 digits: small regions agree with their outlines as closely as large ones."""
    return float(f"{mm2:.9g}")
