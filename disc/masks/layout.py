"""Layouts: labelled boxes of a mask's connected regions, largest first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.labels import IGNORE, NUM_LABELS

Mask = npt.NDArray[np.uint8]
NO_BOX = NUM_LABELS + 1
"""Class of an empty place in a layout; `NUM_LABELS` is that of unknown pixels."""


def label_boxes(
    mask: Mask, max_boxes: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Boxes round the connected regions of every label, and of unknown pixels.

    Args:
        mask: uint8 [H, W], 0..3 and 255. Regions touch by sides.
        max_boxes: how many boxes are kept: those of the largest regions.

    Returns:
        Classes [max_boxes] (0..3, 4 for unknown, 5 where there is no box), and boxes
        [max_boxes, 4]: top, left, bottom, right as fractions of the mask's height and width.

    Paper: Sec. 3 (layouts, after Zheng et al.; sizes are ours).
    """
    height, width = mask.shape
    found = []
    for label in np.unique(mask):
        regions, _ = ndimage.label(mask == label)
        areas = np.bincount(regions.ravel())[1:]
        kind = NUM_LABELS if label == IGNORE else int(label)
        for area, (rows, columns) in zip(areas, ndimage.find_objects(regions), strict=True):
            edges = (rows.start, columns.start, rows.stop, columns.stop)
            found.append((-int(area), kind, edges))
    classes = np.full(max_boxes, NO_BOX, np.int64)
    boxes = np.zeros((max_boxes, 4), np.float32)
    for place, (_, kind, edges) in enumerate(sorted(found)[:max_boxes]):
        classes[place] = kind
        boxes[place] = np.array(edges) / (height, width, height, width)
    return classes, boxes
