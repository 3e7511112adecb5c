"""Shape maps: the annotator's drawing without the meaning of its labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.labels import IGNORE, NUM_LABELS

Mask = npt.NDArray[np.uint8]


def shape_map(mask: Mask) -> Mask:
    """Replace each label by its rank by pixel count: 0 = most frequent.

    Args:
        mask: uint8 [H, W], 0..3; pixels of 255 take the rank of the nearest labelled pixel. Labels
            of equal count rank in the order of their index.

    Returns:
        uint8 [H, W], ranks 0..3 without gaps.

    Raises:
        ValueError: if no pixel is labelled.

    Paper: Sec. 2.2 (m_freq).
    """
    filled = _fill_unknown(mask)
    counts = np.bincount(filled.ravel(), minlength=NUM_LABELS)
    order = np.argsort(-counts, kind="stable")
    ranks = np.zeros(NUM_LABELS, np.uint8)
    ranks[order] = np.arange(NUM_LABELS)
    return ranks[filled]


def count_regions(shape: Mask) -> int:
    """Number of distinct labels that a shape map has room for."""
    return int(shape.max()) + 1


def label_shape(shape: Mask, labels: Sequence[int]) -> Mask:
    """Give rank i of a shape map the label `labels[i]`.

    Raises:
        ValueError: if there are not as many labels as regions, or one comes twice.
    """
    if len(labels) != count_regions(shape) or len(set(labels)) != len(labels):
        raise ValueError(f"{count_regions(shape)} regions need as many distinct labels: {labels}")
    labelled: Mask = np.asarray(labels, np.uint8)[shape]
    return labelled


def _fill_unknown(mask: Mask) -> Mask:
    unknown = mask == IGNORE
    if not unknown.any():
        return mask
    if unknown.all():
        raise ValueError("a mask without any labelled pixel has no shape map")
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled: Mask = mask[tuple(nearest)]
    return filled
