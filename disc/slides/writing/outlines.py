"""Regions of a map as polygons along the edges of its pixels, one region after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        number: of the region, in the numbers that `number_regions` gives.
        shell: its outline.
        holes: outlines of what it encloses.
    """

    number: int
    shell: Ring
    holes: Sequence[Ring]


def number_regions(
    labels: npt.NDArray[np.uint8], wanted: Sequence[int]
) -> tuple[npt.NDArray[np.int32], list[int]]:
    """Regions of some labels, numbered label by label.

    Args:
        labels: uint8 [h, w].
        wanted: labels that are looked for.

    Returns:
        The region's number at every pixel, 0: none, int32 [h, w]; and the label of every region,
        the first of which is number 1.
    """
    numbers, owners = np.zeros(labels.shape, np.int32), list[int]()
    found = np.empty_like(numbers)
    for label in wanted:
        count = ndimage.label(labels == label, output=found)
        np.add(found, len(owners), out=numbers, where=found > 0)
        owners += [label] * count
    return numbers, owners


def trace_regions(numbers: npt.NDArray[np.int32]) -> Iterator[Region]:
    """Outlines of numbered regions, in order, each in the box around it and only when asked for.

    Regions that touch at a corner only are two; a hole may touch the shell or another hole at a
    corner, which is valid. Rings never pass a point twice.

    Args:
        numbers: int32 [h, w], 0: none; numbers may be missing.
    """
    for number, place in enumerate(ndimage.find_objects(numbers), start=1):
        if place is None:
            continue
        down, across = place
        rings = _link(*_list_edges(numbers[place] == number))
        areas = [ring_area(ring) for ring in rings]
        corner = np.array([across.start, down.start])
        moved = [ring + corner for ring in rings]
        (shell,) = (ring for ring, area in zip(moved, areas, strict=True) if area > 0)
        holes = [ring for ring, area in zip(moved, areas, strict=True) if area < 0]
        yield Region(number, shell, holes)


def ring_area(ring: npt.NDArray[np.int64]) -> float:
    """Area inside of a ring; negative where it is walked against the clock, as holes are."""
    x, y = ring.astype(np.float64).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _list_edges(inside: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], ...]:
    """Edges of pixels between a region and something else, with the region on the right hand.

    Returns:
        Direction, and x, y of the start of every edge, [E] each.
    """
    height, width = inside.shape
    framed = np.pad(inside, 1)
    found = []
    for direction, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
        # The neighbour across the edge: above, for the edge that leads east.
        other = framed[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        y, x = np.nonzero(inside > other)
        x += direction in (_SOUTH, _WEST)
        y += direction in (_WEST, _NORTH)
        found.append(np.stack([np.full(len(x), direction), x, y]))
    direction, x, y = np.concatenate(found, axis=1)
    return direction, x, y


def _link(
    direction: npt.NDArray[np.int64], x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]
) -> list[Ring]:
    """Edges joined to rings, with only the corners kept."""
    end_x = x + np.array([1, 0, -1, 0])[direction]
    end_y = y + np.array([0, 1, 0, -1])[direction]
    # Every ring is closed: what ends furthest to the right also starts there.
    width = int(x.max()) + 1
    starts, ends = y * width + x, end_y * width + end_x
    order = np.argsort(starts, kind="stable")
    first = np.searchsorted(starts[order], ends)
    second = np.minimum(first + 1, len(order) - 1)
    # Where two edges begin, diagonal pixels of a region touch: the left turn keeps rings apart.
    has_two = (starts[order[second]] == ends) & (second > first)
    is_left = direction[order[second]] == (direction - 1) % 4
    following = np.where(has_two & is_left, order[second], order[first])
    return _walk(following.tolist(), direction, np.stack([x, y], 1))


def _walk(
    following: list[int], direction: npt.NDArray[np.int64], corners: npt.NDArray[np.int64]
) -> list[Ring]:
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
            rings.append(corners[np.array(path)[kept]])
    return rings
