"""Masks of whole slides, and what their makers meant by a value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from disc.data.images import Pixels
from disc.data.slides import Scan
from disc.files import BadInput
from disc.labels import IGNORE, label_of_grade

_BACKGROUND = 0


@dataclass(frozen=True)
class Meaning:
    """What the values in a mask mean."""

    grades: Mapping[int, int]
    """From value to grade 0 (Non-Cancer), 3, 4, 5, or 255 for unknown."""
    stroma: int | None = None
    """Value of stroma and lumina, where only epithelium was graded."""


class Annotation:
    """A slide's mask."""

    def __init__(self, path: Path, meaning: Meaning, slide: Scan, *, reach_um: float = 0) -> None:
        """Open a mask.

        Args:
            path: a lossless image; the value is in its first channel.
            meaning: what values mean.
            slide: what it was drawn on; the mask may be coarser.
            reach_um: where only epithelium was graded, stroma takes the label of the nearest
                epithelium within this distance, so that labels cover a pattern's territory.

        Raises:
            BadInput: if it cannot be read, or has another shape than the slide.
        """
        self.path = path
        self._scan = Scan(path, is_mask=True)
        self._stroma = meaning.stroma if reach_um > 0 else None
        self._reach = reach_um / slide.um_per_px if self._stroma is not None else 0.0
        self._ratio = self._scan.width / slide.width, self._scan.height / slide.height
        if abs(self._ratio[0] / self._ratio[1] - 1) > 0.02:
            raise BadInput(
                f"{path}: {self._scan.width} x {self._scan.height} px; expected the shape of "
                f"{slide.path}, {slide.width} x {slide.height} px"
            )
        self._known = sorted(meaning.grades)
        self._labels = np.full(256, IGNORE, np.uint8)
        for value, grade in meaning.grades.items():
            self._labels[value] = IGNORE if grade == IGNORE else label_of_grade(grade)

    def read(self, x: float, y: float, size: tuple[int, int], scale: float) -> Pixels:
        """Labels at the centres of the pixels that `Scan.read` gives: uint8 [h, w].

        Raises:
            BadInput: if there is a value that nobody explained.
        """
        margin = math.ceil(self._reach / scale)
        across, down = (np.arange(-margin, side + margin) + 0.5 for side in size)
        xs = ((x + across * scale) * self._ratio[0]).astype(np.int64)
        ys = ((y + down * scale) * self._ratio[1]).astype(np.int64)
        values = self._scan.values(
            xs.clip(0, self._scan.width - 1),
            ys.clip(0, self._scan.height - 1),
            scale * self._ratio[0],
        )
        unknown = ~np.isin(values, self._known)
        if unknown.any():
            raise BadInput(
                f"found value {values[unknown][0]} in {self.path}; expected one of {self._known}; "
                "choose --mask-values, or explain values with --own-values"
            )
        territory = self._spread(values, self._reach / scale)
        return self._labels[territory[margin : margin + size[1], margin : margin + size[0]]]

    def _spread(self, values: Pixels, reach: float) -> Pixels:
        """Give stroma the value of the epithelium nearest to it, up to `reach` pixels away."""
        is_empty = np.isin(values, (_BACKGROUND, self._stroma)) if self._stroma else None
        if is_empty is None or is_empty.all():
            return values
        distance, (rows, columns) = distance_transform_edt(is_empty, return_indices=True)
        is_taken = (values == self._stroma) & (distance <= reach)
        return np.where(is_taken, values[rows, columns], values)
