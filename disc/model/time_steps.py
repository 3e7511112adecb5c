"""Which time steps a solver visits: one list for every solver, spacing and count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from disc.settings.sampling import Solver

FIRST_STEP = 900
"""Below it, latents are not yet the noise that sampling starts from."""
Steps = npt.NDArray[np.int64]


def list_time_steps(solver: Solver, levels: npt.NDArray[np.float64]) -> list[int]:
    """The time steps of a solver from noise to latent: `solver.steps` of them, each once.

    `leading` is latent diffusion's list. `trailing` is diffusers'. `linspace` and `logsnr` go from
    the last time step to t = 1 in even strides of time or of the logarithm of the ratio of signal
    to noise.

    Args:
        solver: its spacing and its number of steps.
        levels: alpha_bar [T] of the plain schedule.

    Returns:
        Falling time steps within 0..T-1.

    Differs from paper: where the number of steps does not divide 1000, latent diffusion takes more
    than were asked for (16 for 15). `leading` goes in strides of 1000 // steps, as diffusers does
    (15 start at t = 925), unless that starts below t = 900, which is not yet noise (628 of 999
    counts): then it spreads the steps over all of 1..1000.
    """
    num, top = solver.steps, len(levels) - 1
    rising: Steps
    if solver.spacing == "leading":
        rising = 1 + np.arange(num) * (len(levels) // num)
        if rising[-1] < FIRST_STEP:
            rising = 1 + np.arange(num) * len(levels) // num
    elif solver.spacing == "trailing":
        rising = np.round(np.arange(1, num + 1) * (len(levels) / num)).astype(np.int64) - 1
    elif solver.spacing == "linspace":
        rising = np.linspace(top, 1, num).round().astype(np.int64)[::-1]
    else:
        rising = _even_in_log_snr(num, levels)
    return [int(t) for t in rising[::-1]]


def _even_in_log_snr(num: int, levels: npt.NDArray[np.float64]) -> Steps:
    top = len(levels) - 1
    log_snr = np.log(levels) - np.log1p(-levels)
    wanted = np.linspace(log_snr[top], log_snr[1], num)[::-1]
    nearest = np.abs(log_snr[1:] - wanted[:, None]).argmin(1) + 1
    # near t = 1 several may fall on one time step: the later ones move up, the last ones back
    order = np.arange(num)
    apart = np.maximum.accumulate(nearest - order) + order
    apart = np.minimum(apart, top - order[::-1])
    apart[-1] = top
    return apart
