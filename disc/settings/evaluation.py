"""Settings of evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

from disc.settings.grading import CarcinoNet
from disc.settings.training import Optim


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """What is measured."""

    referee: CarcinoNet = field(
        default_factory=lambda: CarcinoNet(
            width=24, optim=Optim(steps=500, lr=1e-3, decay="cosine")
        )
    )
    """The network that re-reads generated tiles."""
    num_uniform: int = 96
    """One-label masks in the agreement set."""
    num_mixed: int = 256
    """Several-label masks in the agreement set."""
    num_bootstrap: int = 2000
    """Bootstrap draws of every interval."""
