"""Ways to make tiles, to be timed: by plain diffusers, by our sampler, from a bank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from plain_diffusers import Plain
from side_by_side import Reading
from timing import Way

from disc.labels import NUM_LABELS
from disc.model.denoiser import Denoiser
from disc.pipeline.context import Context
from disc.sample.sampler import Sampler
from disc.sample.separated import fuse
from disc.sample.solver import draw_noise


def plain_way(plain: Plain, num: int, batch: int, *, is_fused: bool) -> Way:
    """Tiles by plain diffusers."""

    def make(masks: np.ndarray, seeds: list[int]) -> torch.Tensor:
        noise, asked = draw_noise(seeds, masks.shape[-1] // 4), torch.from_numpy(masks)
        return plain.fuse_labels(noise, asked) if is_fused else plain.denoise(noise, asked)

    return Way(make, plain.decode, num, batch, plain.unet)


def our_way(context: Context, reading: Reading, net: Denoiser, num: int) -> Way:
    """Tiles by our sampler, as many together as are asked for."""
    sample = replace(context.run.sample, solver=reading.solver, plan=reading.plan)
    sampler = Sampler(context.autoencoder, {"sd": net}, sample)

    def make(masks: np.ndarray, seeds: list[int]) -> torch.Tensor:
        return sampler.draw_latents(reading.variant, masks, seeds)

    return Way(make, sampler.decode, num, num, net.unet)


def bank_way(context: Context, num: int) -> Way:
    """Tiles from bundles that are there."""
    px = context.run.data.tile_px // 4
    bundles = draw_noise(list(range(num * NUM_LABELS)), px).view(num, NUM_LABELS, -1, px, px)
    sampler = Sampler(context.autoencoder, {}, context.run.sample)

    def make(masks: np.ndarray, seeds: list[int]) -> torch.Tensor:
        return fuse(bundles[seeds], torch.from_numpy(masks))

    return Way(make, sampler.decode, num, num)
