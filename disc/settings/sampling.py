"""Settings of sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from disc.settings.checks import require


@dataclass(frozen=True, kw_only=True)
class Solver:
    """How a latent is drawn from noise."""

    name: Literal["ddim", "dpmpp-2m"] = "dpmpp-2m"
    """`ddim` (eta 0) is the paper's; `dpmpp-2m` is DPM-Solver++ of order 2."""
    steps: int = 15
    """Evaluations of the network."""
    spacing: Literal["leading", "trailing", "linspace"] = "leading"
    """Which of the T time steps are visited."""
    guidance: float = 1.0
    """1: none; more: away from what is painted without a mask (needs condition_dropout)."""

    def __post_init__(self) -> None:
        require(1 <= self.steps <= 999, "solver.steps must be in 1..999")
        require(self.guidance >= 0, "solver.guidance must be >= 0; 1 is none")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Drawing of tiles, the same for every variant."""

    solver: Solver = Solver()
    """Solver of the plain and of the separated trajectories, and of the bank."""
    batch: int = 64
    """Trajectories denoised together; changes speed only."""
