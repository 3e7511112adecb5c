"""Settings of synthetic slides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from disc.settings.checks import require

Variant = Literal["sd", "sd-sc", "sd-disc", "sd-disc-cotrain", "sd-disc-fast"]


VARIANTS: tuple[Variant, ...] = ("sd", "sd-sc", "sd-disc", "sd-disc-cotrain")
"""The paper's."""


STUDENT: Variant = "sd-disc-fast"
"""Ours, trained where `distil.variants` has it."""


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Synthetic slides that balance the training slides."""

    slides_per_grade: int | None = None
    """Real + synthetic slides of each primary grade (paper: 100); None: as many as the most."""
    tiles: tuple[int, int] = (20, 100)
    """Least and most tiles of a synthetic slide."""
    weights: tuple[float, float, float, float] = (0.40, 0.25, 0.05, 0.30)
    """Weights of primary, secondary, tertiary and Non-Cancer labels."""
    variants: tuple[Variant, ...] = VARIANTS
    """Which variants paint the slides."""
    seed: int = 0
    """Seed of recipes and noise, shared by all variants."""

    def __post_init__(self) -> None:
        require(1 <= self.tiles[0] <= self.tiles[1], "synthesis.tiles must be (least, most)")
        total = sum(self.weights)
        require(abs(total - 1) < 0.015, f"synthesis.weights add up to {total:.3f}, not to 1")
