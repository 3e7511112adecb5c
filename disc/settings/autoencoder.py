"""Settings of the autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from disc.settings.checks import require, require_finite, require_least
from disc.settings.training import Optim


@dataclass(frozen=True, kw_only=True)
class DecoderTuning:
    """Last stage of the autoencoder's training: the decoder alone, against a discriminator.

    Differs from paper: its vq-f4 was trained against one from the start. In a short training that
    loses rare patterns; on a trained and frozen encoder it brings texture back.
    """

    adversarial_weight: float = 0.5
    """Size of the adversarial gradient over that of the reconstruction loss; 0: no discriminator,
    and the feature loss is left out too."""
    feature_weight: float = 0.5
    """The same of the feature-matching loss: distance of the discriminator's features."""
    start: float = 0.06
    """Fraction of the steps after which the discriminator counts; until then it learns."""
    channels: int = 24
    """Channels of the discriminator's first layer; doubled twice."""
    even_labels: bool = False
    """Draw tiles of every label equally often, by the label that covers most of a tile."""
    optim: Optim = field(
        default_factory=lambda: Optim(
            steps=0, batch=4, lr=1e-3, warmup=10, decay="cosine", betas=(0.5, 0.9)
        )
    )
    """Its training, on whole tiles; 0 steps: none."""

    def __post_init__(self) -> None:
        require_finite(
            "decoder",
            adversarial_weight=self.adversarial_weight,
            feature_weight=self.feature_weight,
        )
        require(0 <= self.start <= 1, "decoder.start must be in [0, 1]")
        require(self.channels >= 1, "decoder.channels must be >= 1")


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """The VQ autoencoder between tiles and latents (f = 4, 3 channels)."""

    source: Path | None = None
    """Folder of a pretrained autoencoder (a diffusers VQModel, as `disc import` writes it) to use
    as it is; None: train one."""
    finetune: bool = False
    """Fine-tune the weights and codebook of `source` for `optim.steps`."""
    channels: tuple[int, int, int] = (16, 32, 64)
    """Feature channels at full, half and quarter resolution; multiples of `groups`."""
    layers: int = 1
    """Residual blocks per resolution; 1 or more."""
    groups: int = 16
    """Groups of group normalisation."""
    mid_attention: bool = True
    """Self-attention at quarter resolution, as in vq-f4."""
    num_codes: int = 2048
    """Codes in the codebook."""
    quantise_from: float = 0.5
    """Fraction of the steps, in [0, 1], after which latents are quantised; the codebook starts from
    latents of that step. 1: only after the last, to the k-means centres of latents."""
    crop_px: int = 0
    """Side of the random crops that it learns from, a multiple of 4; 0: whole tiles."""
    loss: Literal["l1", "texture"] = "l1"
    """`l1`, or `texture`: also a Laplacian pyramid, gradients and focal frequency."""
    latent_noise: float = 0.0
    """Noise added to latents in training, in their standard deviations."""
    latent_penalty: float = 0.0
    """Weight of the mean square of latents in the loss."""
    optim: Optim = field(
        default_factory=lambda: Optim(steps=450, batch=16, lr=2e-3, decay="cosine")
    )
    """Training of the autoencoder."""
    decoder: DecoderTuning = field(default_factory=DecoderTuning)
    """Training of its decoder alone, afterwards."""

    def __post_init__(self) -> None:
        counts = {"layers": self.layers, "groups": self.groups, "num_codes": self.num_codes}
        require_least("autoencoder", 1, channels=self.channels, **counts)
        require(self.crop_px >= 0, "autoencoder.crop_px must be >= 0")
        require(self.crop_px % 4 == 0, f"autoencoder.crop_px {self.crop_px}: no multiple of 4")
        require(0 <= self.quantise_from <= 1, "autoencoder.quantise_from must be in [0, 1]")
        require_finite(
            "autoencoder", latent_noise=self.latent_noise, latent_penalty=self.latent_penalty
        )
        wrong = [width for width in self.channels if width % self.groups]
        require(
            not wrong or self.source is not None,
            f"autoencoder.channels {self.channels}: no multiples of autoencoder.groups "
            f"{self.groups}",
        )
