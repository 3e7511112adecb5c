"""The README of exported weights: a model card, and lines of plain diffusers."""

from __future__ import annotations

from pathlib import Path

from disc.model.condition import ConditionEncoder
from disc.model.latent_shape import LATENT_FACTOR
from disc.model.schedule import NUM_STEPS
from disc.model.tokens import MaskTokens
from disc.pipeline.weights.facts import Facts
from disc.pipeline.weights.scheduler import lines_that_start, plain_scheduler
from disc.report.templates import open_template
from disc.settings.synthesis import Variant

SHOWN = ("hybrid", "crossattn", "concat")
"""Conditions whose encoder is a few operations of torch."""


def write_card(facts: Facts, *, has_shapes: bool, can_grade: bool, licence: str = "") -> str:
    """README.md of exported weights, with lines of diffusers where they can be few.

    Args:
        facts: what the weights are.
        has_shapes: whether shapes of masks are beside them.
        can_grade: whether a calibrated grader is.
        licence: that they are published under; empty: who publishes them says.
    """
    variants = [_describe(facts, name) for name in facts.weights]
    return open_template("card.md.jinja", Path(__file__).parent).render(
        facts=facts,
        has_shapes=has_shapes,
        can_grade=can_grade,
        licence=licence,
        methods=_name_methods(has_shapes, can_grade),
        latent_px=facts.tile_px // LATENT_FACTOR,
        factor=LATENT_FACTOR,
        reason=_why_no_lines(facts),
        strided=_strided_convolutions(facts),
        is_guided=any(facts.solver_of(name).guidance != 1 for name in facts.weights),
        has_planes=ConditionEncoder(facts.denoiser).num_planes > 0,
        first=variants[0],
        others=variants[1:],
        schedulers=sorted({variant["scheduler"] for variant in variants}),
    )


def _name_methods(has_shapes: bool, can_grade: bool) -> str:
    """What `disc.load` can do with the folder, in words."""
    more = ["`recipe`"] * has_shapes + ["`grade`"] * can_grade
    *names, last = ["`sample`", "`segment`", *more]
    return f"{', '.join(names)} and {last}"


def _describe(facts: Facts, name: Variant) -> dict[str, str]:
    """What the template needs of a variant with weights of its own."""
    solver = facts.solver_of(name)
    first, last = solver.guidance_interval
    return {
        "name": name,
        "unet": str(facts.place_weights("unet", name)),
        "encoder": str(facts.place_weights("condition_encoder", name)),
        "folder": facts.scheduler_folder(name),
        "scheduler": type(plain_scheduler(facts.denoiser, solver)).__name__,
        "start": lines_that_start(facts.denoiser, solver),
        "scale": f"{solver.guidance:g}",
        "interval": "" if (first, last) == (0, NUM_STEPS - 1) else f" and {first} <= t <= {last}",
    }


def _why_no_lines(facts: Facts) -> str:
    """Why the lines of diffusers would be many; empty where they are shown."""
    solvers = [facts.solver_of(name) for name in facts.weights]
    if facts.denoiser.condition not in SHOWN:
        return f"the encoder of the condition {facts.denoiser.condition} is more than a few lines"
    is_random = any(solver.eta > 0 for solver in solvers)
    return "the solver adds noise at every step (eta > 0)" if is_random else ""


def _strided_convolutions(facts: Facts) -> int:
    """How many convolutions halve the mask on its way to tokens."""
    tokens = ConditionEncoder(facts.denoiser).tokens
    return len(tokens.convolutions) // 2 if isinstance(tokens, MaskTokens) else 0
