"""Settings of the graders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from disc.settings.checks import require
from disc.settings.synthesis import Variant
from disc.settings.training import Optim


@dataclass(frozen=True, kw_only=True)
class CarcinoNet:
    """Carcino-Net: architecture of the pixel-level grader, the referee and the embedded encoder."""

    width: int = 16
    """Feature channels at full resolution."""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """Residual blocks of the encoder per resolution, finest first."""
    architecture: Literal["own", "public"] = "own"
    """`own`: of `width` and `blocks`; `public`: as in the public implementation, with a ResNet-50
    and 311 M weights."""
    encoder_weights: Path | None = None
    """Of a ResNet-50 as torchvision names them, to start a `public` one from; None: random."""
    classes: Literal[4, 3] = 4
    """4: Non-Cancer, GG3, GG4, GG5; 3 (as on LAPC): Non-Cancer, GG3, and GG4 with GG5."""
    validate_every: int = 100
    """Steps between validations, where `patience` asks for any."""
    patience: int = 0
    """Validations in a row without a better one after which training ends, with the best weights;
    0: no validation, all steps."""
    optim: Optim = field(default_factory=lambda: Optim(steps=200, lr=1e-3, decay="cosine"))
    """Training of the network."""

    def __post_init__(self) -> None:
        is_public = self.architecture == "public"
        require(
            is_public or self.encoder_weights is None,
            "carcino.encoder_weights are a ResNet-50's; set carcino.architecture public too",
        )
        require(self.validate_every >= 1, "carcino.validate_every must be >= 1")
        require(self.patience >= 0, "carcino.patience must be >= 0")


@dataclass(frozen=True, kw_only=True)
class TransMIL:
    """TransMIL: the slide-level grader."""

    width: int = 64
    """Channels of a token."""
    heads: int = 4
    """Attention heads."""
    dropout: float = 0.1
    """Dropout rate after attention, in [0, 1)."""
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
    pixel_variants: tuple[Variant, ...] | None = None
    """Variants that pixel-level graders are trained with; None: all of `synthesis.variants`."""
    seeds: int = 2
    """Number of seeds with which each grader is trained."""

    def __post_init__(self) -> None:
        weights = (*self.balance_weights, self.pixel_balance_weight)
        require(
            all(0 < w < 1 for w in weights),
            "grade.balance_weights and pixel_balance_weight must be in (0, 1)",
        )
