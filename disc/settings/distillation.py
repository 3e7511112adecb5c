"""Settings of self-distillation."""

from __future__ import annotations

from dataclasses import dataclass, field

from disc.settings.training import Optim


@dataclass(frozen=True, kw_only=True)
class Distil:
    """Self-distillation from separated conditions (Eq. 3)."""

    num_bundles: int = 600
    """Bundles of the bank, each of one latent a label (the paper's 20,000 latents: 5,000)."""
    optim: Optim = field(default_factory=lambda: Optim(steps=500, lr=2e-4, ema=0.99))
    """Training of each of sd-disc and sd-disc-cotrain, from the weights of sd."""
