"""The noise schedule of latent diffusion, and diffusers' solvers set up for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

from disc.files import require
from disc.model.ddim import ListedDDIM
from disc.model.time_steps import list_time_steps
from disc.settings.sampling import Solver

NUM_STEPS = 1000
SETTINGS: dict[str, Any] = {
    "num_train_timesteps": NUM_STEPS,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "steps_offset": 1,
}
"""Of every scheduler of diffusers."""


def alpha_bar(has_zero_terminal: bool = False) -> torch.Tensor:
    """Cumulative product of 1 - beta, float32 [T], scaled-linear as in latent diffusion.

    Args:
        has_zero_terminal: shift and stretch its root, so that the first level stays and the last
            is zero (Lin et al. 2023, Algorithm 1).

    Paper: Sec. 2.1 (T = 1000).
    """
    return _ALPHA_BAR[has_zero_terminal]


def _compute_levels(has_zero_terminal: bool) -> torch.Tensor:
    start, end = SETTINGS["beta_start"] ** 0.5, SETTINGS["beta_end"] ** 0.5
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

    def latents(self, z_t: torch.Tensor, velocity: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The latents that a velocity means: sqrt(alpha_bar_t) z_t - sqrt(1 - alpha_bar_t) v."""
        level = self.level_at(t, z_t)
        return level.sqrt() * z_t - (1 - level).sqrt() * velocity

    def noise_in(self, z_t: torch.Tensor, z_0: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The noise in z_t: (z_t - sqrt(alpha_bar_t) z_0) / sqrt(1 - alpha_bar_t), [B, C, h, w]."""
        level = self.level_at(t, z_0)
        return (z_t - level.sqrt() * z_0) / (1 - level).sqrt()

    def time_steps(self, solver: Solver) -> list[int]:
        """The time steps that a solver visits, from noise to latent.

        Raises:
            BadInput: if the solver would leave out the last time step of a zero terminal.
        """
        require(
            solver.spacing != "leading" or not self.has_zero_terminal,
            "solver.spacing leading: a schedule that ends without signal needs trailing, linspace "
            "or logsnr",
        )
        return list_time_steps(solver, alpha_bar().double().numpy())

    def make_scheduler(self, solver: Solver, time_steps: list[int] | None = None) -> Any:
        """A fresh diffusers scheduler for one trajectory, with its time steps set.

        All three are deterministic and elementwise; DDIM alone takes `solver.eta`, as an argument
        of its step. UniPC's step solves a small system where the latents are, so on a GPU the host
        waits for it.

        Args:
            solver: which one, and the time steps it visits.
            time_steps: these falling ones instead, as for the last part of a trajectory.

        Raises:
            BadInput: if the solver would leave out the last time step of a zero terminal.

        Paper: Sec. 2.2 (DDIM).
        """
        common = {
            **SETTINGS,
            "prediction_type": "v_prediction" if self.has_zero_terminal else "epsilon",
            "rescale_betas_zero_snr": self.has_zero_terminal,
        }
        visited = time_steps or self.time_steps(solver)
        if solver.name == "ddim":
            ddim = ListedDDIM(**common, clip_sample=False, set_alpha_to_one=False)
            ddim.set_listed_timesteps(visited)
            return ddim
        made = DPMSolverMultistepScheduler if solver.name == "dpmpp-2m" else UniPCMultistepScheduler
        scheduler: Any = made(**common, solver_order=2)
        scheduler.set_timesteps(len(visited))
        scheduler.timesteps = torch.tensor(visited)
        levels = scheduler.alphas_cumprod[scheduler.timesteps]
        # the last step ends without noise
        scheduler.sigmas = torch.cat([((1 - levels) / levels).sqrt(), torch.zeros(1)])
        return scheduler
