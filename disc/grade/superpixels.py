"""Superpixels of tiles: the instances that Mixed Supervision learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage import graph
from skimage.segmentation import slic

from disc.data.pixels.images import Pixels
from disc.labels import IGNORE, NUM_LABELS

PER_TILE = 16
"""Superpixels that a tile is cut into before alike ones are merged."""
COMPACTNESS = 20.0
BLUR = 1.0
"""Standard deviation of the blur before cutting, pixels."""
ALIKE = 10.0
"""Neighbours whose mean colours are nearer than this (of 255) become one."""
CELLS = 4
"""Windows on the side of a tile, from which features are read."""


@dataclass(frozen=True)
class Superpixel:
    """One superpixel of a tile.

    Attributes:
        centre: x and y of its centre of mass, pixels of the tile.
        label: the label of most of its known pixels; 255 where none is known.
        windows: top-left corners x and y of the windows that it is read from.
    """

    centre: tuple[float, float]
    label: int
    windows: list[tuple[int, int]]


def cut_superpixels(image: Pixels, mask: Pixels) -> list[Superpixel]:
    """The superpixels of a tile: SLIC, then neighbours of like colour merged.

    Features are read from windows of half the tile's side around the centres of a grid of cells
    that lie in the superpixel, or around its own centre where none does.

    Args:
        image: uint8 [H, H, 3].
        mask: uint8 [H, H], 255 where unknown.

    Paper: Sec. 3 (superpixels of the comparison model, ref. 3).
    Differs from paper: each tile is cut on its own, without stain normalisation or tissue mask;
    the original stitches tiles into regions, and reads 144 px around superpixels.
    """
    parts = _cut(image)
    cells = _cell_centres(len(image))
    owners = parts[cells[:, 1], cells[:, 0]]
    found = []
    for number in np.unique(parts):
        inside = parts == number
        rows, columns = np.nonzero(inside)
        centre = float(columns.mean()), float(rows.mean())
        own = cells[owners == number]
        places = own if len(own) else np.array([centre])
        known = mask[inside][mask[inside] < NUM_LABELS]
        label = int(np.bincount(known, minlength=NUM_LABELS).argmax()) if len(known) else IGNORE
        found.append(Superpixel(centre, label, [_corner(place, len(image)) for place in places]))
    return found


def cut_windows(image: Pixels, superpixels: list[Superpixel]) -> Iterator[Pixels]:
    """The windows of a tile's superpixels, uint8 [H / 2, H / 2, 3], in order."""
    side = len(image) // 2
    for one in superpixels:
        for x, y in one.windows:
            yield image[y : y + side, x : x + side]


def _cut(image: Pixels) -> npt.NDArray[np.int64]:
    """Number of the superpixel of each pixel, [H, H]."""
    parts = slic(image, n_segments=PER_TILE, compactness=COMPACTNESS, sigma=BLUR, start_label=0)
    adjacent = graph.rag_mean_color(image, parts)
    merged: npt.NDArray[np.int64] = graph.cut_threshold(parts, adjacent, ALIKE)
    return merged


def _cell_centres(side: int) -> npt.NDArray[np.int64]:
    """Middles of the cells, x and y, [16, 2]."""
    middles = (np.arange(CELLS) * 2 + 1) * side // (2 * CELLS)
    return np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2)


def _corner(place: npt.NDArray[np.generic], side: int) -> tuple[int, int]:
    """Top-left corner of the window around a place, moved into the tile."""
    corner = np.clip(np.asarray(place, np.float64) - side // 4, 0, side - side // 2)
    return int(corner[0]), int(corner[1])
