"""Training of the autoencoder, and how much of its codebook is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from torch import distributed, nn

from disc.files import require
from disc.model.autoencoder import Autoencoder, build_vq, to_unit
from disc.model.latent_shape import LATENT_CHANNELS, LATENT_FACTOR
from disc.model.quantiser import CodebookUse, measure_use
from disc.processes import Share
from disc.seeds import derive, torch_generator
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.train.checkpoint import State
from disc.train.loop import Batch, train
from disc.train.objectives.texture import l1_loss, texture_loss

CENTRE_BATCHES = 16
"""Batches over which the mean of latents, and codebook use, are measured."""
TileBatch = Callable[[int], Batch]
LOSSES = {"l1": l1_loss, "texture": texture_loss}


def train_autoencoder(
    settings: AutoencoderSettings, batch_at: TileBatch, folder: Path, seed: int
) -> Autoencoder:
    """Train a VQ autoencoder with a reconstruction loss and a commitment loss.

    Latents are quantised only after a fraction of the steps, to a codebook initialised with latents
    of that batch: with random codes a short training collapses onto a few of them. Where that is
    after the last step, codes are the k-means centres of latents. A source that is trained further
    keeps its codebook, from the first step on. At the end, latents are centred.

    Args:
        settings: sizes, losses and optimisation.
        batch_at: the tiles of a step, {"tiles": uint8 [B, H, W, 3]}.
        folder: of checkpoint and log.
        seed: of initial weights and codes.

    Differs from paper: trained on the data at hand where no pretrained vq-f4 is given.
    """
    torch.manual_seed(derive(seed, "autoencoder"))
    model, error_of = _Reconstruction(_first_weights(settings)), LOSSES[settings.loss]
    start = -1 if settings.finetune else int(settings.optim.steps * settings.quantise_from)
    used = UsedCodes(settings.optim.speed.accumulate)

    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        if state.step == start and state.share.rank % settings.optim.speed.accumulate == 0:
            own = torch_generator(seed, "step", start)
            _initialise_codes(
                model.vq, crop(batch_at(start)["tiles"], settings.crop_px, Share(), own), own
            )
            if state.ema is not None:
                # the average would hold on to the codes before, which nothing was trained with
                state.ema.restart(model, "vq.quantize.embedding.weight")
        images = to_unit(crop(batch["tiles"], settings.crop_px, state.share, generator))
        noise = None
        if settings.latent_noise:
            noise = settings.latent_noise * draw_noise(images, state.share, generator)
        output, terms = state.model(images, state.step >= start, noise)
        # loss = d(x, D(E(x))) + commitment (see Quantiser) + penalty; x and D(E(x)) [B, 3, H, W]
        error = error_of(output, images)
        loss = error + terms["commit"] + settings.latent_penalty * terms["square"]
        fraction = used.count(terms.pop("used"), state.share)
        return {"loss": loss, settings.loss: error, **terms, "codes_used": fraction}

    train(model=model, step=step, batch_at=batch_at, optim=settings.optim, folder=folder, seed=seed)
    trained = Autoencoder(model.vq).eval()
    steps = range(settings.optim.steps, settings.optim.steps + CENTRE_BATCHES)
    latents = torch.cat([trained.encode_all(batch_at(i)["tiles"]) for i in steps])
    latents = latents.to(next(model.parameters()).device)
    if start == settings.optim.steps:
        fit_codes(model.vq, latents, seed)
    trained.centre(latents.mean((0, 2, 3)))
    return trained


def crop(tiles: torch.Tensor, side: int, share: Share, generator: torch.Generator) -> torch.Tensor:
    """A random square of each tile uint8 [B, H, W, 3]: [B, side, side, 3]; side 0: the tiles.

    Raises:
        BadInput: if tiles are smaller.
    """
    if not side:
        return tiles
    room = tiles.shape[1] - side
    require(room >= 0, f"autoencoder.crop_px {side}: larger than tiles of {tiles.shape[1]} px")
    whole = (len(tiles) * share.count, 2)
    places = share.take(torch.randint(room + 1, whole, generator=generator)).tolist()
    return torch.stack(
        [tile[y : y + side, x : x + side] for tile, (y, x) in zip(tiles, places, strict=True)]
    )


def draw_noise(images: torch.Tensor, share: Share, generator: torch.Generator) -> torch.Tensor:
    """Noise [B, 3, h, w] for the latents of images [B, 3, H, W]."""
    side = images.shape[-1] // LATENT_FACTOR
    shape = (len(images) * share.count, LATENT_CHANNELS, side, side)
    return share.take(torch.randn(shape, generator=generator)).to(images.device)


@torch.no_grad()
def fit_codes(vq: Any, latents: torch.Tensor, seed: int) -> None:
    """Set the codebook of a VQModel to the k-means centres of latents [N, 3, h, w].

    Raises:
        BadInput: if there are fewer latents than codes.
    """
    codes = vq.quantize.embedding.weight
    vectors = latents.movedim(1, -1).reshape(-1, LATENT_CHANNELS).cpu().double().numpy()
    require(
        len(vectors) >= len(codes),
        f"autoencoder.num_codes {len(codes)}: more than the {len(vectors)} latents that they are "
        "fitted to; ask for fewer",
    )
    settings = {"n_init": 1, "batch_size": 4096, "random_state": derive(seed, "codes") % 2**32}
    found = MiniBatchKMeans(len(codes), **settings).fit(vectors).cluster_centers_
    codes.copy_(torch.from_numpy(found))


def measure_codebook(autoencoder: Autoencoder, batch_at: TileBatch, start: int) -> CodebookUse:
    """Codebook use of the batches from step `start` on."""
    device = next(autoencoder.parameters()).device
    counts = np.zeros(autoencoder.num_codes, np.int64)
    for i in range(CENTRE_BATCHES):
        latents = autoencoder.encode_all(batch_at(start + i)["tiles"])
        codes = autoencoder.codes(latents.to(device))
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
        self, images: torch.Tensor, is_quantised: bool, noise: torch.Tensor | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Decoded images [B, 3, H, W]; commitment loss, mean square, which codes are in use [K]."""
        latents, quantise = self.vq.encode(images).latents, self.vq.quantize
        square = latents.float().square().mean()
        size = quantise.embedding.num_embeddings
        used = torch.zeros(size, dtype=torch.bool, device=latents.device)
        if is_quantised:
            # in float32: rounded to bfloat16, the nearest code is often another
            with torch.autocast(latents.device.type, enabled=False):
                latents, commit, (_, _, indices) = quantise(latents.float())
            used[indices] = True
        else:
            # zero, but in the graph: data-parallel training needs a gradient of every parameter
            commit = 0 * quantise.embedding.weight.sum()
        if noise is not None:
            # in standard deviations of each image's latents, so that a batch may be split
            latents = latents + noise * latents.detach().flatten(1).std(dim=1)[:, None, None, None]
        output = self.vq.decoder(self.vq.post_quant_conv(latents))
        return output, {"commit": commit, "square": square, "used": used}


class UsedCodes:
    """Fraction of the codes that a batch uses, over all of its pieces on all processes."""

    def __init__(self, pieces: int) -> None:
        """Count over so many pieces of gradient accumulation."""
        self._pieces = pieces
        self._used = torch.zeros(0)

    def count(self, used: torch.Tensor, share: Share) -> torch.Tensor:
        """A scalar whose mean over pieces and processes is the fraction.

        Args:
            used: whether a piece uses each code, bool [K].
            share: which piece it is.
        """
        before = used.new_zeros(len(used), dtype=torch.float32)
        if share.rank % self._pieces:
            before = self._used
        self._used = torch.maximum(before, used.float())
        if share.count > self._pieces:
            distributed.all_reduce(self._used, distributed.ReduceOp.MAX)
        return self._pieces * (self._used.mean() - before.mean())


@torch.no_grad()
def _initialise_codes(vq: Any, tiles: torch.Tensor, generator: torch.Generator) -> None:
    """Draw codes from the latents of a whole batch of tiles, which every process encodes."""
    vectors = Autoencoder(vq).encode_all(tiles).movedim(1, -1).reshape(-1, LATENT_CHANNELS)
    codes = vq.quantize.embedding.weight
    chosen = torch.randint(len(vectors), (len(codes),), generator=generator)
    codes.copy_(vectors[chosen])
