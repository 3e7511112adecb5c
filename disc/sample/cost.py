"""What a plan costs, before it is followed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from disc.model.latent_shape import LATENT_FACTOR
from disc.model.schedule import Schedule
from disc.sample.plans import Plan
from disc.sample.regions import find_regions
from disc.settings.sampling import Solver


def count_evaluations(
    masks: npt.NDArray[np.uint8], plan: Plan, schedule: Schedule, solver: Solver
) -> npt.NDArray[np.int64]:
    """Evaluations of the network for each of some masks uint8 [N, H, W]; int [N].

    Args:
        masks: what is to be made.
        plan: how its labels become one tile.
        schedule: the denoiser's.
        solver: its time steps and guidance.
    """
    latent_px = masks.shape[-1] // LATENT_FACTOR
    regions, _ = find_regions(
        torch.from_numpy(np.ascontiguousarray(masks)),
        None,
        latent_px,
        separates=plan.name != "plain",
    )
    one = np.ones(len(masks), np.int64)
    separate, rows = (
        np.bincount(part.sources.numpy(), minlength=len(masks))
        for part in (regions.separate, regions.rows)
    )
    evaluated = {"joint": one, "separate": separate, "fused": separate, "guided": rows}
    steps = schedule.time_steps(solver)
    total = np.zeros(len(masks), np.int64)
    first, last = solver.guidance_interval
    for t, phase in zip(steps, plan.phases(steps), strict=True):
        is_guided = solver.guidance != 1 and first <= t <= last
        latents = separate if phase == "separate" else one
        total += evaluated[phase] + is_guided * latents
    for t in plan.healing_steps(steps):
        is_guided = solver.guidance != 1 and first <= t <= last
        total += regions.has_several.numpy() * (1 + is_guided)
    return total
