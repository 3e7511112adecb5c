"""The label of a tile, as SICAPv2 has it: the most frequent grade in its mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from disc.data.pixels.images import Pixels
from disc.labels import Label

Counts = npt.NDArray[np.int64]


def count_labels(mask: Pixels) -> Counts:
    """Pixels of each label [4] in a mask uint8 [H, W]; 255 does not count."""
    return np.array([np.count_nonzero(mask == label) for label in Label])


def most_frequent_grade(counts: Counts) -> Label | None:
    """The grade with most pixels, of counts [4]; None where there is no grade."""
    return Label(int(counts[1:].argmax()) + 1) if counts[1:].any() else None


def label_tile(counts: Counts, num_pixels: int) -> Label | None:
    """The most frequent grade, or Non-Cancer if all pixels are; else unlabelled (None)."""
    is_benign = counts[Label.NC] == num_pixels
    return Label.NC if is_benign else most_frequent_grade(counts)
