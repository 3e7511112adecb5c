"""What graders are trained on: real tiles, and those of a variant at a balance weight."""

from __future__ import annotations

from dataclasses import dataclass

from disc.settings.grading import EncoderName
from disc.settings.run import Run

ENCODER: EncoderName = "carcino"
FEATURES = f"features/{ENCODER}"
SUPERPIXELS = "superpixels"
"""Folder, within an encoder's features, of those of superpixels."""


def features_of(encoder: EncoderName) -> str:
    """The stage, and folder, of an encoder's features."""
    return f"features/{encoder}"


@dataclass(frozen=True)
class Configuration:
    """What one grader is trained on: real tiles, and those of a variant at a balance weight."""

    variant: str = "real"
    balance_weight: float = 0.0

    @property
    def name(self) -> str:
        """Folder of its runs."""
        return self.variant if self.balance_weight == 0 else f"{self.variant} {self.balance_weight}"


def pixel_configurations(run: Run) -> list[Configuration]:
    """Configurations of the pixel grader: real, and real + each of its variants."""
    weight = run.grade.pixel_balance_weight
    return [
        Configuration(),
        *[Configuration(variant, weight) for variant in run.pixel_variants],
    ]


def slide_configurations(run: Run) -> list[Configuration]:
    """Configurations of the slide grader: real, and real + each variant at each balance weight."""
    weights = run.grade.balance_weights
    return [
        Configuration(),
        *[Configuration(v, weight) for v in run.synthesis.variants for weight in weights],
    ]


def needs_superpixels(run: Run) -> bool:
    """Whether a grader of the run reads superpixels."""
    return "mixed-supervision" in run.grade.slide_graders
