"""Latents from noise under one mask each, and what solvers are called."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from disc.model.denoiser import Denoiser
from disc.sample.plans import Plan
from disc.sample.trajectory import Order, draw_each, follow_plan
from disc.settings.sampling import Sample, Solver


def draw_noise(seeds: list[int], latent_px: int) -> torch.Tensor:
    """z_T [B, 3, h, w]: one tile, one generator, so that a tile's noise is its seed's alone."""
    return draw_each(seeds, "noise", latent_px)


def name_solver(solver: Solver) -> str:
    """A solver in a few words, as tables of generated tiles name it."""
    words = f"{solver.name} {solver.steps} {solver.spacing}"
    if solver.eta:
        words += f" eta {solver.eta:g}"
    if solver.guidance != 1:
        words += f" guidance {solver.guidance:g}"
        first, last = solver.guidance_interval
        words += "" if (first, last) == (0, 999) else f" at {first}-{last}"
    return words


def denoise(
    denoiser: Denoiser,
    noise: torch.Tensor,
    masks: torch.Tensor,
    settings: Sample,
    slides: torch.Tensor | None = None,
    *,
    seeds: Sequence[int] | None = None,
) -> torch.Tensor:
    """z_0 of every noise under its own mask, in one plain pass.

    Args:
        denoiser: the network, on any device.
        noise: z_T [N, 3, h, w].
        masks: uint8 [N, 4h, 4w], class indices.
        settings: solver, and how many trajectories go together (which changes speed only).
        slides: labels of the slides, uint8 [N, 4]; None: the labels of the masks.
        seeds: one a tile, for what a solver with eta > 0 adds.

    Returns:
        Latents [N, 3, h, w] on the CPU.

    Paper: Sec. 2.2.
    """
    order = Order(noise, masks, slides, seeds)
    return follow_plan(denoiser, order, Plan(name="plain"), settings)


def standard_deviation(latents: torch.Tensor) -> float:
    """Standard deviation of latents; the data's is 1, so more means an inflating sampler."""
    return float(latents.std())
