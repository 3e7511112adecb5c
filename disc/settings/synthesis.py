"""Settings of synthetic slides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from disc.settings.checks import require, require_distinct

Variant = Literal["sd", "sd-sc", "sd-disc", "sd-disc-cotrain", "sd-disc-fast"]


VARIANTS: tuple[Variant, ...] = ("sd", "sd-sc", "sd-disc", "sd-disc-cotrain")
"""The paper's."""


STUDENT: Variant = "sd-disc-fast"
"""Ours, trained where `distil.variants` has it."""


def weights_of(variant: Variant) -> Variant:
    """The variant whose trained weights one is sampled with: `sd-sc` is `sd`, each label apart."""
    return "sd" if variant == "sd-sc" else variant


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Synthetic slides, which balance the primary grades of the training slides."""

    slides_per_grade: int | None = None
    """Real + synthetic slides per primary grade (paper: 100); None: as many as there are
    real slides of the most frequent grade."""
    tiles: tuple[int, int] = (20, 100)
    """Minimum and maximum number of tiles of a synthetic slide."""
    sizes: Literal["range", "real"] = "range"
    """Number of tiles of a synthetic slide: drawn from the range of `tiles`, or from the numbers of
    tiles of real training slides, so that no size tells them apart."""
    weights: tuple[float, float, float, float] = (0.40, 0.25, 0.05, 0.30)
    """Weights of primary, secondary, tertiary and Non-Cancer labels in a slide; their sum is 1."""
    variants: tuple[Variant, ...] = VARIANTS
    """Variants of the generator, each of which generates the same slides."""
    seed: int = 0
    """Random seed of masks and noise, the same for all variants."""

    def __post_init__(self) -> None:
        require(
            1 <= self.tiles[0] <= self.tiles[1],
            "synthesis.tiles must be (min, max), 1 <= min <= max",
        )
        require(min(self.weights) >= 0, f"synthesis.weights {self.weights}: none below 0")
        require_distinct("synthesis.variants", self.variants)
        total = sum(self.weights)
        require(abs(total - 1) < 0.015, f"synthesis.weights add up to {total:.3f}, not to 1")
