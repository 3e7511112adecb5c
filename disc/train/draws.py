"""Which samples a step sees: functions of (seed, purpose, step), never of what came before."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from disc.seeds import numpy_generator

NUM_DIHEDRAL = 8
"""Symmetries of a square: four rotations, and the same mirrored."""


def epoch_indices(
    num: int, *, step: int, batch: int, seed: int, purpose: str
) -> npt.NDArray[np.int64]:
    """Indices [batch] of a step that goes through all `num` samples, shuffled anew each epoch."""
    positions = np.arange(step * batch, (step + 1) * batch)
    epochs = positions // num
    result = np.empty(batch, np.int64)
    for epoch in np.unique(epochs):
        chosen = epochs == epoch
        order = _shuffled(num, seed, purpose, int(epoch))
        result[chosen] = order[positions[chosen] % num]
    return result


@lru_cache(maxsize=8)
def _shuffled(num: int, seed: int, purpose: str, epoch: int) -> npt.NDArray[np.int64]:
    return numpy_generator(seed, purpose, "epoch", epoch).permutation(num)


def transform(array: npt.NDArray[np.uint8], version: int) -> npt.NDArray[np.uint8]:
    """One of the 8 symmetries of square arrays whose first two axes are rows and columns."""
    transformed = np.rot90(array, version % 4)
    return transformed if version < 4 else transformed[:, ::-1]
