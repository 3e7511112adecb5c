"""The noise schedule of latent diffusion, and diffusers' solvers set up for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

from disc.files import require
from disc.settings.sampling import Solver

NUM_STEPS = 1000
_SETTINGS: dict[str, Any] = {
    "num_train_timesteps": NUM_STEPS,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "steps_offset": 1,
}


def alpha_bar(has_zero_terminal: bool = False) -> torch.Tensor:
    """Cumulative product of 1 - beta, float32 [T], scaled-linear as in latent diffusion.

    Args:
        has_zero_terminal: shift and stretch its root, so that the first level stays and the last
            is zero (Lin et al. 2023, Algorithm 1).

    Paper: Sec. 2.1 (T = 1000).
    """
    return _ALPHA_BAR[has_zero_terminal]


def _compute_levels(has_zero_terminal: bool) -> torch.Tensor:
    start, end = _SETTINGS["beta_start"] ** 0.5, _SETTINGS["beta_end"] ** 0.5
    beta = torch.linspace(start, end, NUM_STEPS, dtype=torch.float64) ** 2
    levels = torch.cumprod(1 - beta, 0)
    if has_zero_terminal:
        roots = levels.sqrt()
        levels = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    return levels.float()


# computed once; a cached function would be traced anew by torch.compile
_ALPHA_BAR = {has_zero: _compute_levels(has_zero) for has_zero in (False, True)}


@dataclass(frozen=True)
class Schedule:
    """Levels of noise by time step: what a denoiser is trained with, and sampled with.

    Attributes:
        has_zero_terminal: whether the last time step holds no signal at all. Solvers then take
            the velocity from the network, since noise says nothing of the latent there.

    Differs from paper: only where asked for. Trained on latents that keep a little signal and
    started from pure noise, a denoiser is biased towards tiles of middling brightness.
    """

    has_zero_terminal: bool = False

    def level_at(self, t: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """alpha_bar of time steps [B], as [B, 1, 1, 1] on the device and in the type of `like`."""
        levels = alpha_bar(self.has_zero_terminal).to(like, non_blocking=True)
        return levels[t][:, None, None, None]

    def add_noise(self, z_0: torch.Tensor, eps: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) eps.

        Args:
            z_0: latents [B, C, h, w].
            eps: Gaussian noise of the same shape.
            t: time steps [B] int64, 0 <= t < T.

        Paper: Sec. 2.3 (below Eq. 3).
        """
        level = self.level_at(t, z_0)
        return level.sqrt() * z_0 + (1 - level).sqrt() * eps

    def velocity(self, z_0: torch.Tensor, eps: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) z_0; arguments as of `add_noise`."""
        level = self.level_at(t, z_0)
        return level.sqrt() * eps - (1 - level).sqrt() * z_0

    def noise(self, z_t: torch.Tensor, velocity: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The noise that a velocity means: sqrt(1 - alpha_bar_t) z_t + sqrt(alpha_bar_t) v."""
        level = self.level_at(t, z_t)
        return (1 - level).sqrt() * z_t + level.sqrt() * velocity

    def make_scheduler(self, solver: Solver) -> Any:
        """A fresh diffusers scheduler for one trajectory, with its time steps set.

        Raises:
            BadInput: if the solver would leave out the last time step of a zero terminal.

        Paper: Sec. 2.2 (DDIM).
        """
        require(
            solver.spacing == "trailing" or not self.has_zero_terminal,
            f"solver.spacing {solver.spacing}: a schedule that ends without signal needs trailing",
        )
        common = {
            **_SETTINGS,
            "prediction_type": "v_prediction" if self.has_zero_terminal else "epsilon",
            "rescale_betas_zero_snr": self.has_zero_terminal,
            "timestep_spacing": solver.spacing,
        }
        if solver.name == "ddim":
            scheduler: Any = DDIMScheduler(**common, clip_sample=False, set_alpha_to_one=False)
        else:
            scheduler = DPMSolverMultistepScheduler(**common, solver_order=2)
        scheduler.set_timesteps(solver.steps)
        return scheduler
