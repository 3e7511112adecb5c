"""Settings of the autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from disc.settings.training import Optim


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """The VQ autoencoder between tiles and latents (f = 4, 3 channels)."""

    source: Path | None = None
    """A diffusers VQModel folder to use as it is (disc import makes one); None trains one."""
    finetune: bool = False
    """Train the source's weights further, from its own codebook on, for `optim.steps`."""
    channels: tuple[int, int, int] = (16, 32, 64)
    """Width at full, half and quarter resolution."""
    layers: int = 1
    """Residual blocks a resolution."""
    num_codes: int = 2048
    """Size of the codebook."""
    quantise_from: float = 0.5
    """Share of the training after which the codebook, drawn from latents, comes in."""
    optim: Optim = field(
        default_factory=lambda: Optim(steps=450, batch=16, lr=2e-3, decay="cosine")
    )
    """Its training."""
