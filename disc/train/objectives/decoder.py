"""Training of the decoder alone, on a frozen encoder, against a discriminator of patches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from disc.model.autoencoder import to_unit
from disc.seeds import derive
from disc.settings.autoencoder import DecoderTuning
from disc.train.checkpoint import State
from disc.train.loop import Batch, train
from disc.train.objectives.autoencoder import TileBatch
from disc.train.objectives.discriminator import Discriminator, contest_loss
from disc.train.objectives.texture import texture_loss


def tune_decoder(
    vq: Any, settings: DecoderTuning, batch_at: TileBatch, folder: Path, seed: int
) -> None:
    """Train the decoder of a VQModel to decode sharper tiles; latents and codes stay.

    Args:
        vq: the autoencoder; its decoder is changed in place.
        settings: weights of the losses and optimisation.
        batch_at: the tiles of a step, {"tiles": uint8 [B, H, W, 3]}.
        folder: of checkpoint and log.
        seed: of the discriminator's first weights.
    """
    torch.manual_seed(derive(seed, "discriminator"))
    model = Contest(vq, settings)
    start = int(settings.start * settings.optim.steps)

    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        found: Mapping[str, torch.Tensor] = state.model(
            to_unit(batch["tiles"]), state.step >= start
        )
        return found

    train(model=model, step=step, batch_at=batch_at, optim=settings.optim, folder=folder, seed=seed)
    vq.requires_grad_(True)


class Contest(nn.Module):
    """Decoder and discriminator as one module, trained by one loss with one backward pass."""

    def __init__(self, vq: Any, settings: DecoderTuning) -> None:
        """Take a VQModel, of which the decoder alone is trained."""
        super().__init__()
        vq.requires_grad_(False)
        vq.decoder.requires_grad_(True)
        vq.post_quant_conv.requires_grad_(True)
        self.vq = vq
        self.settings = settings
        self.discriminator = None
        if settings.adversarial_weight > 0:
            self.discriminator = Discriminator(3, settings.channels, strides=(2, 2, 1, 1))

    def forward(self, images: torch.Tensor, is_opposed: bool) -> dict[str, torch.Tensor]:
        """The loss and its parts for images [B, 3, H, W] in -1..1."""
        output = self.reconstruct(images)
        weights = (self.settings.adversarial_weight, self.settings.feature_weight)
        loss, error, own = contest_loss(
            output,
            images,
            lambda shown: texture_loss(shown, images),
            self.discriminator,
            weights if is_opposed else (0.0, 0.0),
        )
        return {"loss": loss, "reconstruction": error, "discriminator": own}

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Images [B, 3, H, W] in -1..1, encoded and decoded; the decoder alone has gradients."""
        with torch.no_grad():
            codes = self.vq.quantize(self.vq.encode(images).latents.float())[0]
        output: torch.Tensor = self.vq.decoder(self.vq.post_quant_conv(codes))
        return output
