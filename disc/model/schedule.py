"""The noise schedule of latent diffusion, and diffusers' solvers set up for it."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

from disc import settings

NUM_STEPS = 1000
_SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": NUM_STEPS,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "prediction_type": "epsilon",
    "steps_offset": 1,
}


@cache
def alpha_bar() -> torch.Tensor:
    """Cumulative product of 1 - beta, float32 [T], scaled-linear as in latent diffusion.

    Paper: Sec. 2.1 (T = 1000).
    """
    start, end = _SCHEDULE["beta_start"] ** 0.5, _SCHEDULE["beta_end"] ** 0.5
    beta = torch.linspace(start, end, NUM_STEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - beta, 0).float()


def add_noise(z_0: torch.Tensor, eps: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) eps.

    Args:
        z_0: latents [B, C, h, w].
        eps: Gaussian noise of the same shape.
        t: time steps [B] int64, 0 <= t < T.

    Paper: Sec. 2.3 (below Eq. 3).
    """
    level = level_at(t, z_0)
    return level.sqrt() * z_0 + (1 - level).sqrt() * eps


def level_at(t: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """alpha_bar of time steps [B], as [B, 1, 1, 1] on the device and in the type of `like`."""
    return alpha_bar().to(like)[t][:, None, None, None]


def make_scheduler(solver: settings.Solver) -> Any:
    """A fresh diffusers scheduler for one trajectory, with its time steps set.

    Paper: Sec. 2.2 (DDIM).
    """
    if solver.name == "ddim":
        scheduler: Any = DDIMScheduler(
            **_SCHEDULE,
            clip_sample=False,
            set_alpha_to_one=False,
            timestep_spacing=solver.spacing,
        )
    else:
        scheduler = DPMSolverMultistepScheduler(
            **_SCHEDULE, solver_order=2, timestep_spacing=solver.spacing
        )
    scheduler.set_timesteps(solver.steps)
    return scheduler
