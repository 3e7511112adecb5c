"""The label of a tile, as SICAPv2 has it: the commonest grade in its mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from disc.data.images import Pixels
from disc.labels import Label


def count_labels(mask: Pixels) -> npt.NDArray[np.int64]:
    """Pixels of each label [4] in a mask uint8 [H, W]; 255 does not count."""
    return np.array([np.count_nonzero(mask == label) for label in Label])


def commonest_grade(mask: Pixels) -> Label | None:
    """The grade with most pixels in a mask uint8 [H, W], 0..3 and 255; None where there is none."""
    counts = count_labels(mask)[1:]
    return Label(int(counts.argmax()) + 1) if counts.any() else None


def label_tile(mask: Pixels) -> Label | None:
    """The commonest grade; Non-Cancer only where every pixel is known, else nobody knows (None)."""
    grade = commonest_grade(mask)
    return Label.NC if grade is None and (mask == Label.NC).all() else grade
