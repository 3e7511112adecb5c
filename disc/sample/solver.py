"""Latents from noise, along the trajectory of a diffusers solver."""

from __future__ import annotations

import torch

from disc.labels import IGNORE
from disc.model.condition import Condition
from disc.model.denoiser import LATENT_CHANNELS, Denoiser
from disc.model.tokens import LATENT_FACTOR
from disc.seeds import torch_generator
from disc.settings.sampling import Sample, Solver


def draw_noise(seeds: list[int], latent_px: int) -> torch.Tensor:
    """z_T [B, 3, h, w]: one tile, one generator, so that a tile's noise is its seed's alone."""
    shape = (LATENT_CHANNELS, latent_px, latent_px)
    return torch.stack(
        [torch.randn(shape, generator=torch_generator(seed, "noise")) for seed in seeds]
    )


def name_solver(solver: Solver) -> str:
    """A solver in a few words, as tables of generated tiles name it."""
    guided = "" if solver.guidance == 1 else f" guidance {solver.guidance:g}"
    return f"{solver.name} {solver.steps} {solver.spacing}{guided}"


@torch.inference_mode()
def denoise(
    denoiser: Denoiser,
    noise: torch.Tensor,
    masks: torch.Tensor,
    settings: Sample,
    slides: torch.Tensor | None = None,
) -> torch.Tensor:
    """z_0 of every noise under its own mask, in one plain pass.

    Args:
        denoiser: the network, on any device.
        noise: z_T [N, 3, h, w].
        masks: uint8 [N, 4h, 4w], class indices.
        settings: solver, and how many trajectories go together (which changes speed only).
        slides: labels of the slides, uint8 [N, 4]; None: the labels of the masks.

    Returns:
        Latents [N, 3, h, w] on the CPU.

    Paper: Sec. 2.2.
    """
    device = next(denoiser.parameters()).device
    parts = []
    for start in range(0, len(noise), settings.batch):
        chunk = slice(start, start + settings.batch)
        targets = masks[chunk].to(device)
        condition = denoiser.encode(targets, None if slides is None else slides[chunk].to(device))
        parts.append(_solve(denoiser, noise[chunk].to(device), condition, settings.solver).cpu())
    return torch.cat(parts)


def _solve(
    denoiser: Denoiser, z: torch.Tensor, condition: Condition, solver: Solver
) -> torch.Tensor:
    scheduler = denoiser.schedule.make_scheduler(solver)
    null_condition = None if solver.guidance == 1 else _null_condition(denoiser, z)
    # z: [B, 3, h, w]; one solver step z_t -> z_(t-1) a pass
    for t in scheduler.timesteps:
        times = t.to(z.device).expand(len(z))
        predicted = denoiser.predict(z, times, condition)
        if null_condition is not None:
            free = denoiser.predict(z, times, null_condition)
            # classifier-free guidance: eps_free + w (eps_m - eps_free), [B, 3, h, w]
            predicted = free + solver.guidance * (predicted - free)
        z = scheduler.step(predicted, t, z, return_dict=False)[0]
    return z


def _null_condition(denoiser: Denoiser, z: torch.Tensor) -> Condition:
    """The condition of tiles of which nothing is known."""
    side = LATENT_FACTOR * z.shape[-1]
    unknown = torch.full((len(z), side, side), IGNORE, dtype=torch.uint8, device=z.device)
    condition: Condition = denoiser.encode(unknown)
    return condition


def standard_deviation(latents: torch.Tensor) -> float:
    """Standard deviation of latents; the data's is 1, so more means an inflating sampler."""
    return float(latents.std())
