"""Draws in which every label's tiles come equally often, however rare."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from disc.data.tiles.tile_set import TileSet
from disc.labels import NUM_LABELS
from disc.seeds import numpy_generator
from disc.train.draws import NUM_DIHEDRAL, epoch_indices
from disc.train.tile_batches import Choice

NONE = -1
"""Of a tile whose pixels are all unknown."""


def main_labels(tiles: TileSet) -> npt.NDArray[np.int64]:
    """The label that covers most of each tile, int [N]; -1 where all is unknown."""
    labels = np.full(len(tiles), NONE)
    for index in range(len(tiles)):
        counts = np.bincount(tiles.mask(index).ravel(), minlength=NUM_LABELS)[:NUM_LABELS]
        if counts.any():
            labels[index] = counts.argmax()
    return labels


def choose_evenly(labels: npt.NDArray[np.int64], *, seed: int, purpose: str) -> Choice:
    """Labels in turn, and each of a label's tiles once before any of them again.

    Args:
        labels: of tiles, int [N]; tiles of -1 are drawn only where all are.
        seed: of the order, and of flips and rotations.
        purpose: part of the seed.
    """
    known = [int(label) for label in np.unique(labels) if label != NONE] or [NONE]
    groups = {label: np.flatnonzero(labels == label) for label in known}
    return partial(_choose, groups, seed, purpose)


def _choose(
    groups: Mapping[int, npt.NDArray[np.int64]], seed: int, purpose: str, draw: int
) -> tuple[int, int]:
    turn, number = divmod(draw, len(groups))
    label, group = list(groups.items())[number]
    own = f"{purpose} {label}"
    (place,) = epoch_indices(len(group), step=turn, batch=1, seed=seed, purpose=own)
    version = numpy_generator(seed, purpose, "turn", draw).integers(NUM_DIHEDRAL)
    return int(group[place]), int(version)
