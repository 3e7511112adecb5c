"""Small foci: cancer on the map of a slide of which no pattern is large enough to count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.labels import Label
from disc.slides.judging.calibration import Settings
from disc.slides.judging.record import Reason
from disc.slides.judging.rules import CANCER, Score

SURE = 0.9
"""Probability of cancer from which on graders are sure of it: what they read as cancer in benign
tissue, they are seldom sure of."""
FOCUS_MM2 = (0.01, 0.15)
"""Least and largest region of cancer, in mm², that may be set as the least that is no error."""
USUAL_MM2 = 0.05
"""Where no validation slide is benign, or all are."""


def find_sure(
    probabilities: npt.NDArray[np.floating], temperature: float = 1.0
) -> npt.NDArray[np.bool_]:
    """Where graders are sure of cancer, whatever its pattern, before a temperature: bool [h, w].

    Args:
        probabilities: of NC to GG5, [4, h, w]; all 0 where there is no tissue.
        temperature: by which logits were divided; raised to it, probabilities are as before.
    """
    before = probabilities**temperature
    total = before.sum(0)
    found: npt.NDArray[np.bool_] = (total > 0) & (before[list(CANCER)].sum(0) >= SURE * total)
    return found


def measure_focus(is_cancer: npt.NDArray[np.bool_], mm2: npt.NDArray[np.float64] | float) -> float:
    """The largest connected region, in mm².

    Args:
        is_cancer: bool [h, w].
        mm2: of a pixel, or of each [h, w].
    """
    numbers, count = ndimage.label(is_cancer)
    if not count:
        return 0.0
    sizes = np.bincount(numbers.ravel(), np.broadcast_to(mm2, is_cancer.shape).ravel())
    return float(sizes[1:].max())


def find_overlooked(
    score: Score, areas: npt.NDArray[np.float64], focus_mm2: float | None, known: Settings
) -> Reason | None:
    """Whether a slide that the rules call benign has more cancer on its map than benign ones have.

    Args:
        score: by the rules.
        areas: of NC to GG5, [4].
        focus_mm2: the largest region that graders are sure of; None: there is no map.
        known: what validation slides told.
    """
    if score.isup:
        return None
    share = 1 - float(areas[Label.NC]) / max(float(areas.sum()), 1e-12)
    said = []
    if known.cancer_floor is not None and share >= known.cancer_floor:
        said.append(f"all patterns together are {share:.1%} of it (floor {known.cancer_floor:.1%})")
    if None not in (focus_mm2, known.focus_mm2) and focus_mm2 >= known.focus_mm2:  # type: ignore[operator]
        said.append(
            f"graders are sure that {focus_mm2:.3f} mm² in one piece are cancer (threshold, set on "
            f"validation slides, {known.focus_mm2:.3f})"
        )
    if not said:
        return None
    text = f"no pattern reaches its share of the tissue, but {' and '.join(said)}"
    return Reason(code="small-focus", text=text)
