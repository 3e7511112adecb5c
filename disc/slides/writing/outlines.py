"""Regions of a map as polygons along the edges of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Ring = npt.NDArray[np.int64]
"""Corners x, y [N, 2], each once."""
_EAST, _SOUTH, _WEST, _NORTH = range(4)


@dataclass(frozen=True, eq=False)
class Region:
    """Pixels of one label that are connected by their edges.

    Attributes:
        label: of its pixels.
        number: of the region, in the numbers that `trace_regions` gives.
        shell: its outline.
        holes: outlines of what it encloses.
    """

    label: int
    number: int
    shell: Ring
    holes: Sequence[Ring]


def trace_regions(
    labels: npt.NDArray[np.uint8], wanted: Sequence[int]
) -> tuple[npt.NDArray[np.int32], list[Region]]:
    """Regions of some labels.

    Regions that touch at a corner only are two; a hole may touch the shell or another hole at a
    corner, which is valid. Rings never pass a point twice.

    Args:
        labels: uint8 [h, w].
        wanted: labels that are traced.

    Returns:
        The region's number at every pixel, 0: none, int32 [h, w]; and the regions, in order.
    """
    numbers, owners = np.zeros(labels.shape, np.int32), [-1]
    for label in wanted:
        found, count = ndimage.label(labels == label)
        numbers += np.where(found > 0, found + (len(owners) - 1), 0).astype(np.int32)
        owners += [label] * count
    rings: dict[int, list[Ring]] = {number: [] for number in range(1, len(owners))}
    for number, ring in _link(*_list_edges(numbers)):
        rings[number].append(ring)
    return numbers, [_sort_rings(owners[number], number, of) for number, of in rings.items()]


def ring_area(ring: npt.NDArray[np.int64]) -> float:
    """Area inside of a ring; negative where it is walked against the clock, as holes are."""
    x, y = ring.astype(np.float64).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _sort_rings(label: int, number: int, rings: list[Ring]) -> Region:
    holes = [ring for ring in rings if ring_area(ring) < 0]
    (shell,) = (ring for ring in rings if ring_area(ring) > 0)
    return Region(label, number, shell, holes)


def _list_edges(numbers: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], ...]:
    """Edges of pixels between a region and something else, with the region on the right hand.

    Returns:
        Region, direction, and x, y of the start of every edge, [E] each.
    """
    framed = np.pad(numbers, 1)
    found = []
    for direction, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
        # The neighbour across the edge: above, for the edge that leads east.
        other = np.roll(framed, (-down, -right), (0, 1))
        rows, columns = np.nonzero((framed > 0) & (framed != other))
        x = columns - 1 + (direction in (_SOUTH, _WEST))
        y = rows - 1 + (direction in (_WEST, _NORTH))
        kind = np.full(len(x), direction)
        found.append(np.stack([framed[rows, columns].astype(np.int64), kind, x, y]))
    region, direction, x, y = np.concatenate(found, axis=1)
    return region, direction, x, y


def _link(
    region: npt.NDArray[np.int64],
    direction: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    y: npt.NDArray[np.int64],
) -> list[tuple[int, Ring]]:
    """Edges joined to rings, with only the corners kept."""
    if not len(region):
        return []
    end_x = x + np.array([1, 0, -1, 0])[direction]
    end_y = y + np.array([0, 1, 0, -1])[direction]
    width, height = int(max(x.max(), end_x.max())) + 1, int(max(y.max(), end_y.max())) + 1
    starts = (region * height + y) * width + x
    ends = (region * height + end_y) * width + end_x
    order = np.argsort(starts, kind="stable")
    first = np.searchsorted(starts[order], ends)
    second = np.minimum(first + 1, len(order) - 1)
    # Where two edges begin, diagonal pixels of a region touch: the left turn keeps rings apart.
    has_two = (starts[order[second]] == ends) & (second > first)
    is_left = direction[order[second]] == (direction - 1) % 4
    following = np.where(has_two & is_left, order[second], order[first])
    return _walk(following.tolist(), region, direction, np.stack([x, y], 1))


def _walk(
    following: list[int],
    region: npt.NDArray[np.int64],
    direction: npt.NDArray[np.int64],
    corners: npt.NDArray[np.int64],
) -> list[tuple[int, Ring]]:
    seen, rings = bytearray(len(following)), []
    for begin in range(len(following)):
        path, edge = [], begin
        while not seen[edge]:
            seen[edge] = 1
            path.append(edge)
            edge = following[edge]
        if path:
            kinds = direction[path]
            kept = np.flatnonzero(kinds != np.roll(kinds, 1))
            rings.append((int(region[begin]), corners[np.array(path)[kept]]))
    return rings
