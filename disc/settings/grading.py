"""Settings of the graders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from disc.settings.checks import require
from disc.settings.training import Optim

Head = Literal["sigmoids", "ordinal"]
SlideGrader = Literal["transmil", "nystrom", "nystrom-0.0.9", "abmil", "mean", "mixed-supervision"]


@dataclass(frozen=True, kw_only=True)
class CarcinoNet:
    """Carcino-Net: architecture of the pixel-level grader, the referee and the embedded encoder."""

    width: int = 16
    """Feature channels at full resolution."""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """Residual blocks of the encoder per resolution, finest first."""
    optim: Optim = field(default_factory=lambda: Optim(steps=200, lr=1e-3, decay="cosine"))
    """Training of the network."""


@dataclass(frozen=True, kw_only=True)
class TransMIL:
    """TransMIL, and every other slide-level grader: sizes, outputs, training."""

    width: int = 64
    """Channels of a token."""
    heads: int = 4
    """Attention heads."""
    dropout: float = 0.1
    """Dropout rate after attention, in [0, 1)."""
    head: Head = "sigmoids"
    """Outputs: the paper's four `sigmoids`, or beside them the two grades in their order,
    `ordinal`, from which ISUP groups and their kappa follow."""
    optim: Optim = field(
        default_factory=lambda: Optim(
            steps=120, batch=8, lr=5e-4, weight_decay=1e-4, decay="cosine", warmup=10
        )
    )
    """Training of the grader; `batch` counts bags, the tiles of one slide each."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """Graders, trained on real tiles and on real + synthetic tiles."""

    carcino: CarcinoNet = CarcinoNet()
    """Pixel-level grader and embedded encoder."""
    transmil: TransMIL = TransMIL()
    """Slide-level grader."""
    balance_weights: tuple[float, ...] = (0.1, 0.3, 0.5)
    """Balance weights of the slide-level grader: weight of the synthetic loss (lambda of Eq. 4),
    each in (0, 1); 0, real tiles only, is always run."""
    pixel_balance_weight: float = 0.3
    """Balance weight of the pixel-level grader, in (0, 1)."""
    seeds: int = 2
    """Number of seeds with which each grader is trained."""

    def __post_init__(self) -> None:
        weights = (*self.balance_weights, self.pixel_balance_weight)
        require(
            all(0 < w < 1 for w in weights),
            "grade.balance_weights and pixel_balance_weight must be in (0, 1)",
        )
