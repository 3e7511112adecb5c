"""Settings of the graders."""

from __future__ import annotations

from dataclasses import dataclass, field

from disc.settings.checks import require
from disc.settings.training import Optim


@dataclass(frozen=True, kw_only=True)
class CarcinoNet:
    """The pixel-level grader; also the referee's and the embedded encoder's architecture."""

    width: int = 16
    """Channels at full resolution."""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """Residual blocks of the encoder by resolution."""
    optim: Optim = field(default_factory=lambda: Optim(steps=200, lr=1e-3, decay="cosine"))
    """Its training."""


@dataclass(frozen=True, kw_only=True)
class TransMIL:
    """The slide-level grader."""

    width: int = 64
    """Channels of a token."""
    heads: int = 4
    """Attention heads."""
    dropout: float = 0.1
    """Dropout after attention."""
    optim: Optim = field(
        default_factory=lambda: Optim(
            steps=120, batch=8, lr=5e-4, weight_decay=1e-4, decay="cosine", warmup=10
        )
    )
    """Its training; a batch is of bags."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """Graders on real and on real + synthetic data."""

    carcino: CarcinoNet = CarcinoNet()
    """Pixel grader and embedded encoder."""
    transmil: TransMIL = TransMIL()
    """Slide grader."""
    balance_weights: tuple[float, ...] = (0.1, 0.3, 0.5)
    """Values of lambda in Eq. 4; 0 (real only) is always run."""
    pixel_balance_weight: float = 0.3
    """Lambda of the pixel grader."""
    seeds: int = 2
    """Grader seeds."""

    def __post_init__(self) -> None:
        weights = (*self.balance_weights, self.pixel_balance_weight)
        require(all(0 < w < 1 for w in weights), "grade: balance weights must lie in (0, 1)")
