"""Confusion counts of a tile: its pixels by true and by predicted label."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from disc.labels import NUM_LABELS, Label

COUNTS = [f"n_{truth.name}_{predicted.name}" for truth in Label for predicted in Label]
"""Columns of pixels.parquet, in the order of `count_confusion`."""


def count_confusion(truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.int64]) -> list[int]:
    """Pixels of masks [H, W] by (true, predicted) label, 16 numbers; truth 255 does not count.

    >>> counts = count_confusion(np.array([[1, 255]], np.uint8), np.array([[2, 2]]))
    >>> {name: count for name, count in zip(COUNTS, counts) if count}
    {'n_GG3_GG4': 1}
    """
    is_known = truth < NUM_LABELS
    pairs = NUM_LABELS * truth[is_known].astype(np.int64) + predicted[is_known]
    return [int(count) for count in np.bincount(pairs, minlength=NUM_LABELS**2)]
