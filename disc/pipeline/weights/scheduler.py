"""Solvers as plain schedulers of diffusers, and the lines that set their time steps."""

from __future__ import annotations

import textwrap
from typing import Any

from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

from disc.model.schedule import NUM_STEPS, SETTINGS, Schedule
from disc.settings.denoiser import Denoiser
from disc.settings.sampling import Solver


def plain_scheduler(settings: Denoiser, solver: Solver) -> Any:
    """A scheduler of diffusers that takes what the U-Net itself predicts.

    diffusers' DDIM steps down by 1000 // steps: where that is not a solver's own list, the first
    order of DPM-Solver++ is, which is DDIM along any list.
    """
    common = {
        **SETTINGS,
        "prediction_type": "v_prediction" if settings.predicts == "v" else "epsilon",
        "rescale_betas_zero_snr": settings.zero_terminal_snr,
    }
    if _is_diffusers_ddim(solver):
        return DDIMScheduler(
            **common, clip_sample=False, set_alpha_to_one=False, timestep_spacing=solver.spacing
        )
    if solver.name == "ddim":
        # the last step ends at the first level of noise, as DDIM's does
        return DPMSolverMultistepScheduler(**common, solver_order=1, final_sigmas_type="sigma_min")
    if solver.name == "dpmpp-2m":
        return DPMSolverMultistepScheduler(**common, solver_order=2)
    return UniPCMultistepScheduler(**common, solver_order=2)


def lines_that_start(settings: Denoiser, solver: Solver) -> str:
    """Lines of Python that set the time steps of a `scheduler`."""
    if _is_diffusers_ddim(solver):
        return f"scheduler.set_timesteps({solver.steps})"
    steps = _write_list(Schedule(settings.zero_terminal_snr).time_steps(solver))
    if solver.name != "unipc":
        return f"scheduler.set_timesteps(timesteps={steps})"
    return "\n".join(
        (
            f"steps = torch.tensor({steps})",
            "scheduler.set_timesteps(len(steps))  # takes no list, so that it is set here",
            "levels = scheduler.alphas_cumprod[steps]",
            "scheduler.timesteps = steps",
            "scheduler.sigmas = torch.cat([((1 - levels) / levels).sqrt(), torch.zeros(1)])",
        )
    )


def _is_diffusers_ddim(solver: Solver) -> bool:
    is_even = NUM_STEPS % solver.steps == 0 and solver.spacing in ("leading", "trailing")
    return solver.name == "ddim" and is_even


def _write_list(steps: list[int]) -> str:
    text = str(steps)
    if len(text) <= 60:
        return text
    inner = textwrap.fill(text[1:-1] + ",", 84, initial_indent="    ", subsequent_indent="    ")
    return f"[\n{inner}\n]"
