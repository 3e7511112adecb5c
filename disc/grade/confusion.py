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


def merge_high_grades(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Counts of tiles [N, 16] with GG5 counted as GG4, true and predicted: low and high grade.

    >>> counts = np.zeros((1, 16), int)
    >>> counts[0, [COUNTS.index("n_GG5_GG4"), COUNTS.index("n_GG3_GG5")]] = 7, 2
    >>> merged = merge_high_grades(counts)[0]
    >>> {name: int(count) for name, count in zip(COUNTS, merged) if count}
    {'n_GG3_GG4': 2, 'n_GG4_GG4': 7}

    Paper: Sec. 3 (LAPC: GG3 against GG4 + GG5).
    """
    merged = counts.reshape(-1, NUM_LABELS, NUM_LABELS).copy()
    for axis in (1, 2):
        table = np.moveaxis(merged, axis, 1)
        table[:, Label.GG4] += table[:, Label.GG5]
        table[:, Label.GG5] = 0
    return merged.reshape(-1, NUM_LABELS**2)
