"""Masks of whole slides."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from disc.data.pixels.images import Pixels
from disc.data.pixels.mask_values import Meaning as Meaning
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.labels import IGNORE

Centres = npt.NDArray[np.floating[Any]]

_BACKGROUND = 0
_TERRITORY_UM = 4.0
"""Width of the pixels in which distances to epithelium are measured, where the scan has finer."""


class Labels(Protocol):
    """Labels of a slide, of whatever kind of file."""

    def read(self, x: float, y: float, size: tuple[int, int], scale: float) -> Pixels:
        """Labels at the centres of the pixels that `Scan.read` gives: uint8 [h, w]."""


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
        self._meaning = meaning
        self._is_empty = np.isin(np.arange(256), (_BACKGROUND, meaning.stroma or _BACKGROUND))
        # Territory is as wide as many of these; finer pixels of stroma need not be told apart.
        # Slides whose files do not say how wide their pixels are can be read without it.
        self._step = _TERRITORY_UM / slide.um_per_px if self._stroma is not None else 1.0

    def read(self, x: float, y: float, size: tuple[int, int], scale: float) -> Pixels:
        """Labels at the centres of the pixels that `Scan.read` gives: uint8 [h, w].

        What lies outside of the slide is unknown.

        Raises:
            BadInput: if a value is unexplained.
        """
        xs, ys = x + (np.arange(size[0]) + 0.5) * scale, y + (np.arange(size[1]) + 0.5) * scale
        values = self._values(xs, ys, scale)
        if self._stroma is not None and (is_stroma := values == self._stroma).any():
            values = np.where(is_stroma, self._territory(x, y, size, scale), values)
        labels = self._meaning.decode(values, self.path)
        labels[:, xs >= self._scan.width / self._ratio[0]] = IGNORE
        labels[ys >= self._scan.height / self._ratio[1]] = IGNORE
        return labels

    def _values(self, xs: Centres, ys: Centres, scale: float) -> Pixels:
        """Values of the mask at columns `xs` and rows `ys` of the slide: uint8 [h, w]."""
        columns = (xs * self._ratio[0]).astype(np.int64).clip(0, self._scan.width - 1)
        rows = (ys * self._ratio[1]).astype(np.int64).clip(0, self._scan.height - 1)
        return self._scan.values(columns, rows, scale * self._ratio[0])

    def _territory(self, x: float, y: float, size: tuple[int, int], scale: float) -> Pixels:
        """For each pixel the value of the epithelium within reach that is nearest, or stroma's."""
        factor = max(1, int(self._step / scale + 1e-6))
        step = scale * factor
        margin = math.ceil(self._reach / step)
        across, down = (np.arange(-margin, -(-side // factor) + margin) + 0.5 for side in size)
        coarse = self._extend(self._values(x + across * step, y + down * step, step), step)
        columns, rows = (np.arange(side) // factor + margin for side in size)
        return coarse[rows][:, columns]

    def _extend(self, values: Pixels, step: float) -> Pixels:
        """Values with stroma within reach of epithelium given the value of the nearest."""
        is_empty = self._is_empty[values]
        if is_empty.all():
            return np.full_like(values, self._stroma)
        nearest = distance_transform_edt(is_empty, return_distances=False, return_indices=True)
        rows, columns = np.ogrid[: values.shape[0], : values.shape[1]]
        away = (nearest[0] - rows) ** 2 + (nearest[1] - columns) ** 2
        is_reached = away <= (self._reach / step) ** 2
        return np.where(is_reached, values[nearest[0], nearest[1]], np.uint8(self._stroma or 0))
