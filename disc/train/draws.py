"""Which samples a step uses: functions of (seed, purpose, step), never of earlier steps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from disc.seeds import numpy_generator

NUM_DIHEDRAL = 8
"""Flips and rotations of a square (the dihedral group): four rotations, and the same flipped."""


def epoch_indices(
    num: int, *, step: int, batch: int, seed: int, purpose: str
) -> npt.NDArray[np.int64]:
    """Indices [batch] of a step; each epoch visits all `num` samples once, in a new order."""
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
    """One of the 8 flips and rotations of a square array [H, H, ...]; 0 is the array itself."""
    transformed = np.rot90(array, version % 4)
    return transformed if version < 4 else transformed[:, ::-1]
