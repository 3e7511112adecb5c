"""Training of the autoencoder, and how much of its codebook is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn

from disc.model.autoencoder import Autoencoder, build_vq, to_unit
from disc.model.latent_shape import LATENT_CHANNELS
from disc.model.quantiser import CodebookUse, measure_use
from disc.seeds import derive
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.train.checkpoint import State
from disc.train.loop import Batch, train

CENTRE_BATCHES = 16
"""Batches over which the mean of latents, and codebook use, are measured."""
TileBatch = Callable[[int], Batch]


def train_autoencoder(
    settings: AutoencoderSettings, batch_at: TileBatch, folder: Path, seed: int
) -> Autoencoder:
    """Train a VQ autoencoder with an L1 reconstruction loss and a commitment loss.

    Latents are quantised only after a fraction of the steps, to a codebook initialised with latents
    of that batch: with random codes a short training collapses onto a few of them. A source that is
    trained further keeps its codebook, from the first step on. At the end, latents are centred.

    Args:
        settings: sizes and optimisation.
        batch_at: the tiles of a step, {"tiles": uint8 [B, H, W, 3]}.
        folder: of checkpoint and log.
        seed: of initial weights and codes.

    Differs from paper: trained on the data at hand where no pretrained vq-f4 is given.
    """
    torch.manual_seed(derive(seed, "autoencoder"))
    model = _Reconstruction(_first_weights(settings))
    start = -1 if settings.finetune else int(settings.optim.steps * settings.quantise_from)

    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        images = to_unit(batch["tiles"])
        if state.step == start and state.share.rank % settings.optim.speed.accumulate == 0:
            _initialise_codes(model.vq, images, generator)
        output, commit, codes_used = state.model(images, state.step >= start)
        # loss = mean |D(E(x)) - x| + commitment (see Quantiser); x and D(E(x)) are [B, 3, H, W]
        error = (output - images).abs().mean()
        return {"loss": error + commit, "l1": error, "commit": commit, "codes_used": codes_used}

    train(model=model, step=step, batch_at=batch_at, optim=settings.optim, folder=folder, seed=seed)
    trained = Autoencoder(model.vq).eval()
    device = next(model.parameters()).device
    tiles = [batch_at(settings.optim.steps + i)["tiles"] for i in range(CENTRE_BATCHES)]
    trained.centre(trained.encode(torch.cat(tiles).to(device)).mean((0, 2, 3)))
    return trained


def measure_codebook(autoencoder: Autoencoder, batch_at: TileBatch, start: int) -> CodebookUse:
    """Codebook use of the batches from step `start` on."""
    device = next(autoencoder.parameters()).device
    counts = np.zeros(autoencoder.num_codes, np.int64)
    for i in range(CENTRE_BATCHES):
        codes = autoencoder.codes(autoencoder.encode(batch_at(start + i)["tiles"].to(device)))
        counts += np.bincount(codes.flatten().cpu().numpy(), minlength=len(counts))
    return measure_use(counts)


def _first_weights(settings: AutoencoderSettings) -> Any:
    if not settings.finetune or settings.source is None:
        return build_vq(settings)
    source = Autoencoder.load(settings.source)
    source.set_scale(1.0)
    return source.vq


class _Reconstruction(nn.Module):
    """The forward pass of a training step as one module, which data-parallel training wraps."""

    def __init__(self, vq: Any) -> None:
        super().__init__()
        self.vq = vq

    def forward(
        self, images: torch.Tensor, is_quantised: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Decoded images [B, 3, H, W], commitment loss, fraction of the codebook in use."""
        latents, quantise = self.vq.encode(images).latents, self.vq.quantize
        if is_quantised:
            # in float32: rounded to bfloat16, the nearest code is often another
            with torch.autocast(latents.device.type, enabled=False):
                latents, commit, (_, _, indices) = quantise(latents.float())
            fraction = torch.tensor(len(indices.unique()) / quantise.embedding.num_embeddings)
        else:
            # zero, but in the graph: data-parallel training needs a gradient of every parameter
            commit, fraction = 0 * quantise.embedding.weight.sum(), torch.zeros(())
        return self.vq.decoder(self.vq.post_quant_conv(latents)), commit, fraction


@torch.no_grad()
def _initialise_codes(vq: Any, images: torch.Tensor, generator: torch.Generator) -> None:
    vectors = vq.encode(images).latents.movedim(1, -1).reshape(-1, LATENT_CHANNELS)
    codes = vq.quantize.embedding.weight
    chosen = torch.randint(len(vectors), (len(codes),), generator=generator)
    codes.copy_(vectors[chosen.to(vectors.device)])
    if distributed.is_available() and distributed.is_initialized():
        distributed.broadcast(codes, src=0)
