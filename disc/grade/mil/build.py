"""Slide graders by name."""

from __future__ import annotations

from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.mixed import MixedSupervision
from disc.grade.mil.nystrom import NystromTransMIL
from disc.grade.mil.pooling import AttentionPool, MeanPool
from disc.grade.transmil import TransMIL
from disc.settings.grading import SlideGrader
from disc.settings.grading import TransMIL as Settings


def build_grader(name: SlideGrader, settings: Settings, num_features: int) -> BagGrader:
    """A slide grader with random weights for features of a given length."""
    match name:
        case "transmil":
            return TransMIL(settings, num_features)
        case "nystrom" | "nystrom-0.0.9":
            return NystromTransMIL(settings, num_features, name)
        case "abmil":
            return AttentionPool(settings, num_features)
        case "mean":
            return MeanPool(settings, num_features)
        case "mixed-supervision":
            return MixedSupervision(settings, num_features)
