"""Training of the decoder alone, on a frozen encoder, against a discriminator of patches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import leaky_relu, relu
from torch.nn.utils.parametrizations import spectral_norm

from disc.model.autoencoder import to_unit
from disc.seeds import derive
from disc.settings.autoencoder import DecoderTuning
from disc.train.checkpoint import State
from disc.train.loop import Batch, train
from disc.train.objectives.autoencoder import TileBatch
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
    model = _Contest(vq, settings)
    start = int(settings.start * settings.optim.steps)

    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        found: Mapping[str, torch.Tensor] = state.model(
            to_unit(batch["tiles"]), state.step >= start
        )
        return found

    train(model=model, step=step, batch_at=batch_at, optim=settings.optim, folder=folder, seed=seed)
    vq.requires_grad_(True)


class Discriminator(nn.Module):
    """Tells real patches from decoded ones: four convolutions, spectrally normalised.

    A patch is 26 px wide.
    """

    def __init__(self, channels: int) -> None:
        """Build it; `channels` are those of the first layer."""
        super().__init__()
        widths = (3, channels, 2 * channels, 4 * channels, 1)
        shapes = ((4, 2), (4, 2), (3, 1), (3, 1))
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, size, stride=stride, padding=1))
            for before, after, (size, stride) in zip(widths, widths[1:], shapes, strict=False)
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of each layer; the last [B, 1, h, w] is above 0 where a patch looks real."""
        found = []
        for number, layer in enumerate(self.layers, start=1):
            images = layer(images)
            images = leaky_relu(images, 0.2) if number < len(self.layers) else images
            found.append(images)
        return found


class _Contest(nn.Module):
    """Decoder and discriminator as one module, trained by one loss with one backward pass."""

    def __init__(self, vq: Any, settings: DecoderTuning) -> None:
        super().__init__()
        vq.requires_grad_(False)
        vq.decoder.requires_grad_(True)
        vq.post_quant_conv.requires_grad_(True)
        self.vq = vq
        self.settings = settings
        self.discriminator = Discriminator(settings.channels) if self._has_opponent else None

    @property
    def _has_opponent(self) -> bool:
        return self.settings.adversarial_weight > 0

    def forward(self, images: torch.Tensor, is_opposed: bool) -> dict[str, torch.Tensor]:
        """The loss and its parts for images [B, 3, H, W] in -1..1."""
        with torch.no_grad():
            codes = self.vq.quantize(self.vq.encode(images).latents.float())[0]
        output = self.vq.decoder(self.vq.post_quant_conv(codes))
        shown = output.detach().requires_grad_()
        error = texture_loss(shown, images)
        (gradient,) = torch.autograd.grad(error, shown)
        own = torch.zeros((), device=output.device)
        if self.discriminator is not None:
            if is_opposed:
                gradient = gradient + self._opposition(shown, images, gradient)
            # hinge: max(0, 1 - D(x)) + max(0, 1 + D(x')); x, x' [B, 3, H, W]
            own = relu(1 - self.discriminator(images)[-1]).mean()
            own = own + relu(1 + self.discriminator(shown.detach())[-1]).mean()
        # its gradient with respect to the decoder's weights is that of the weighted sum
        pull = (output * gradient).sum()
        loss = error.detach() + (pull - pull.detach()) + own
        return {"loss": loss, "reconstruction": error.detach(), "discriminator": own.detach()}

    def _opposition(
        self, shown: torch.Tensor, images: torch.Tensor, gradient: torch.Tensor
    ) -> torch.Tensor:
        """Gradients of the adversarial and of the feature loss, in proportion to another's size.

        Sizes are those of each image alone, so that a batch may be split.
        """
        assert self.discriminator is not None
        with torch.no_grad():
            real = self.discriminator(images)
        features = self.discriminator(shown)
        apart = [(one - other).abs().mean() for one, other in zip(features, real, strict=True)]
        terms = [
            (self.settings.adversarial_weight, -features[-1].mean()),
            (self.settings.feature_weight, torch.stack(apart[:-1]).sum()),
        ]
        total, size = torch.zeros_like(gradient), _norms(gradient)
        for weight, term in terms:
            (pull,) = torch.autograd.grad(term, shown, retain_graph=True)
            total += weight * size / _norms(pull).clamp(min=1e-12) * pull
        return total


def _norms(gradient: torch.Tensor) -> torch.Tensor:
    norms: torch.Tensor = gradient.flatten(1).norm(dim=1)[:, None, None, None]
    return norms
