"""The temperature and the calibration error of a pixel grader, from a sample of pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from disc.files import BadInput
from disc.labels import IGNORE, NUM_LABELS
from disc.seeds import numpy_generator
from disc.slides.reading.mapping import softmax
from disc.slides.reading.passes import window_weights

Floats = npt.NDArray[np.float64]
MAX_PIXELS = 1_000_000
"""Pixels that are kept of all tiles together: some 30 MB."""
NUM_BINS = 15
_AT_ONCE = 65_536


@dataclass(frozen=True)
class PixelSample:
    """Logits and labels of a few pixels of every tile.

    Attributes:
        per_tile: how many pixels are kept of a tile at most.
    """

    per_tile: int
    _logits: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _truth: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    _weights: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _patients: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, num_tiles: int) -> PixelSample:
        """An empty sample for so many tiles."""
        return cls(max(1, MAX_PIXELS // num_tiles))

    def __len__(self) -> int:
        """Number of pixels."""
        return sum(map(len, self._truth))

    def add(
        self,
        logits: npt.NDArray[np.float32],
        mask: npt.NDArray[np.uint8],
        name: str,
        patient: str,
    ) -> None:
        """Keep pixels of a tile, drawn by its name; those left out are stood for by the others.

        Args:
            logits: [4, P, P].
            mask: [P, P].
            name: of the tile.
            patient: whose it is.
        """
        # Pixels count as windows do in the map: their rims little.
        weights = window_weights(mask.shape[-1]).ravel()
        known = np.flatnonzero((mask.ravel() != IGNORE) & (weights > 0))
        chosen = known
        if len(known) > self.per_tile:
            rng = numpy_generator(0, "calibration", name)
            chosen = np.sort(rng.choice(known, self.per_tile, replace=False))
        self._logits.append(logits.reshape(NUM_LABELS, -1)[:, chosen].T.astype(np.float32))
        self._truth.append(mask.ravel()[chosen])
        self._weights.append(weights[chosen] * np.float32(len(known) / max(1, len(chosen))))
        self._patients.append(patient)

    def fit(self) -> tuple[float, float, float | None]:
        """Temperature, and calibration errors without it and with that of the other patients.

        None in place of the latter: there is one patient.

        Raises:
            BadInput: if no pixel's label is known.
        """
        logits, truth = np.concatenate(self._logits), np.concatenate(self._truth)
        weights = np.concatenate(self._weights)
        if not len(truth):
            raise BadInput("no pixel of the validation tiles has a known label to calibrate on")
        names = np.unique(self._patients)
        counts = [len(each) for each in self._truth]
        in_second = np.repeat(np.isin(self._patients, names[1::2]), counts)
        before, after = calibration_error(softmax(logits), truth, weights), None
        if len(names) > 1:
            fitted = np.empty_like(logits)
            for part in (in_second, ~in_second):
                other = best_temperature(logits[~part], truth[~part], weights[~part])
                fitted[part] = softmax(logits[part] / np.float32(other))
            after = calibration_error(fitted, truth, weights)
        return best_temperature(logits, truth, weights), before, after


def calibration_error(
    probabilities: npt.NDArray[np.floating],
    truth: npt.NDArray[np.integer],
    weights: npt.NDArray[np.floating],
) -> float:
    """Expected calibration error of the likeliest label, over 15 bins of confidence.

    Args:
        probabilities: [n, 4].
        truth: labels [n].
        weights: of the pixels [n].
    """
    confidence, is_right = probabilities.max(1), probabilities.argmax(1) == truth
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    sums = [
        np.bincount(bins, weights * values, NUM_BINS) for values in (confidence, is_right * 1.0)
    ]
    return float(np.abs(sums[0] - sums[1]).sum() / weights.sum())


def best_temperature(
    logits: npt.NDArray[np.float32],
    truth: npt.NDArray[np.uint8],
    weights: npt.NDArray[np.float32],
) -> float:
    """The temperature of least log loss; 1 without pixels."""
    if not len(truth):
        return 1.0
    found = minimize_scalar(_log_loss(logits, truth, weights), bounds=(-1.5, 2.5), method="bounded")
    return float(np.exp(found.x))


def _log_loss(
    logits: npt.NDArray[np.float32],
    truth: npt.NDArray[np.uint8],
    weights: npt.NDArray[np.float32],
) -> Callable[[float], float]:
    def loss(log_temperature: float) -> float:
        total = 0.0
        for start in range(0, len(truth), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            probabilities = softmax(logits[part].astype(np.float64) / np.exp(log_temperature))
            chosen = probabilities[np.arange(len(probabilities)), truth[part]]
            total -= float((weights[part] * np.log(chosen.clip(1e-9))).sum())
        return total

    return loss
