"""Training of the autoencoder, and the measurement of its scale."""

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
"""Batches over which the mean of the latents, and codebook use, are taken."""
TileBatch = Callable[[int], Batch]


def train_autoencoder(
    settings: AutoencoderSettings, batch_at: TileBatch, folder: Path, seed: int
) -> Autoencoder:
    """Train a VQ autoencoder with L1 and the commitment of its codebook.

    The codebook is drawn from latents of the batch and comes in after a share of the steps: with
    random codes a short training collapses onto a few of them. Where a source is trained further,
    its own codebook is there from the first step. Last, latents are centred.

    Args:
        settings: sizes and optimisation.
        batch_at: the tiles of a step, {"tiles": uint8 [B, H, W, 3]}.
        folder: of checkpoint and log.
        seed: of weights and draws.

    Differs from paper: trained on the data at hand where no pretrained vq-f4 is given.
    """
    torch.manual_seed(derive(seed, "autoencoder"))
    model = _Reconstruction(_first_weights(settings))
    start = -1 if settings.finetune else int(settings.optim.steps * settings.quantise_from)

    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        images = to_unit(batch["tiles"])
        if state.step == start and state.share.rank % settings.optim.speed.accumulate == 0:
            _draw_codes(model.vq, images, generator)
        output, commit, codes_used = state.model(images, state.step >= start)
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
    """What one training step computes, as one module (data-parallel training wraps modules)."""

    def __init__(self, vq: Any) -> None:
        super().__init__()
        self.vq = vq

    def forward(
        self, images: torch.Tensor, is_quantised: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images as decoded, commitment, and the share of the codebook that this batch uses."""
        latents, quantise = self.vq.encode(images).latents, self.vq.quantize
        if is_quantised:
            # in bfloat16 the nearest code would often be another one
            with torch.autocast(latents.device.type, enabled=False):
                latents, commit, (_, _, indices) = quantise(latents.float())
            share = torch.tensor(len(indices.unique()) / quantise.embedding.num_embeddings)
        else:
            # zero, but in the graph: data-parallel training wants a gradient for every parameter
            commit, share = 0 * quantise.embedding.weight.sum(), torch.zeros(())
        return self.vq.decoder(self.vq.post_quant_conv(latents)), commit, share


@torch.no_grad()
def _draw_codes(vq: Any, images: torch.Tensor, generator: torch.Generator) -> None:
    vectors = vq.encode(images).latents.movedim(1, -1).reshape(-1, LATENT_CHANNELS)
    codes = vq.quantize.embedding.weight
    chosen = torch.randint(len(vectors), (len(codes),), generator=generator)
    codes.copy_(vectors[chosen.to(vectors.device)])
    if distributed.is_available() and distributed.is_initialized():
        distributed.broadcast(codes, src=0)
