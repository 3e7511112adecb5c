"""Settings of the autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from disc.settings.training import Optim


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """The VQ autoencoder between tiles and latents (f = 4, 3 channels)."""

    source: Path | None = None
    """Folder of a pretrained autoencoder (a diffusers VQModel, as `disc import` writes it) to use
    as it is; None: train one."""
    finetune: bool = False
    """Fine-tune the weights and codebook of `source` for `optim.steps`."""
    channels: tuple[int, int, int] = (16, 32, 64)
    """Feature channels at full, half and quarter resolution; multiples of 16."""
    layers: int = 1
    """Residual blocks per resolution; 1 or more."""
    num_codes: int = 2048
    """Codes in the codebook."""
    quantise_from: float = 0.5
    """Fraction of the steps, in [0, 1], after which latents are quantised; the codebook starts from
    latents of that step."""
    optim: Optim = field(
        default_factory=lambda: Optim(steps=450, batch=16, lr=2e-3, decay="cosine")
    )
    """Training of the autoencoder."""
