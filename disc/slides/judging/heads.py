"""What slide graders say of a slide: labels with their thresholds, and the ordinal head's group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.heads import NUM_GROUPS, isup_shares
from disc.grade.mil.scoring import read_logits
from disc.labels import NUM_LABELS, Label
from disc.slides.judging.calibrate import make_bag
from disc.slides.judging.calibration import Floats
from disc.slides.judging.record import CrossCheck, SlideGroup


def read_heads(features: npt.NDArray[np.float32], nets: Sequence[BagGrader]) -> Floats:
    """Logits of each grader for a slide's features [n, D], [S, outputs]."""
    bag = make_bag("slide", features)
    return np.stack([read_logits(net, [bag])[0] for net in nets])


def find_labels(logits: Floats, thresholds: Sequence[float]) -> dict[str, CrossCheck]:
    """Mean scores of the graders by label, and which labels are present."""
    scores = (1 / (1 + np.exp(-logits[:, :NUM_LABELS]))).mean(0)
    return {
        label.name: CrossCheck(
            score=round(float(scores[label]), 6),
            threshold=thresholds[label],
            is_present=bool(scores[label] >= thresholds[label]),
        )
        for label in Label
    }


def find_group(logits: Floats) -> SlideGroup | None:
    """The ISUP group by the mean over the graders; None: they have no ordinal head."""
    if logits.shape[1] == NUM_LABELS:
        return None
    shares = isup_shares(logits[:, NUM_LABELS:]).mean(0)
    named = {str(group): round(float(shares[group]), 6) for group in range(NUM_GROUPS)}
    return SlideGroup(group=int(shares.argmax()), shares=named)
