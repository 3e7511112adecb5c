"""What graders are trained on: real tiles, and those of a variant at a balance weight."""

from __future__ import annotations

from dataclasses import dataclass

from disc import settings

ENCODER = "carcino"
FEATURES = f"features/{ENCODER}"


@dataclass(frozen=True)
class Arm:
    """What one grader is trained on: real tiles, and those of a variant at a balance weight."""

    variant: str = "real"
    balance_weight: float = 0.0

    @property
    def name(self) -> str:
        """Folder of its runs."""
        return self.variant if self.balance_weight == 0 else f"{self.variant} {self.balance_weight}"


def pixel_arms(run: settings.Run) -> list[Arm]:
    """Arms of the pixel grader: real, and real + each variant."""
    weight = run.grade.pixel_balance_weight
    return [Arm(), *[Arm(variant, weight) for variant in run.synthesis.variants]]


def slide_arms(run: settings.Run) -> list[Arm]:
    """Arms of the slide grader: real, and real + each variant at each balance weight."""
    weights = run.grade.balance_weights
    return [Arm(), *[Arm(v, weight) for v in run.synthesis.variants for weight in weights]]
