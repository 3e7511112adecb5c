"""The stages that generate synthetic slides."""

from __future__ import annotations

from pathlib import Path

from disc.model.store import hash_weights
from disc.pipeline.context import Context
from disc.sample.plans import plan_of
from disc.sample.solver import name_solver
from disc.sample.synthesis import VariantSampler, generate_slides, plan_slides
from disc.settings.synthesis import Variant


def synthesise(context: Context, variant: Variant, folder: Path) -> str:
    """Generate the synthetic slides of a variant."""
    run, split = context.run, context.split
    known, slides = context.latents.known(), split.train.slides
    plans = plan_slides(list(slides.values()), context.book, known, run.synthesis)
    if not plans:
        return "no synthetic slides: no real slide has a score to balance"
    sampler = context.sampler(variant)
    facts = {
        "checkpoint": hash_weights(next(iter(sampler.denoisers.values()))),
        "training_slides": " ".join(sorted(slides)),
        "fold": run.data.fold,
        "solver": name_solver(run.solver_of(variant)),
        "plan": str(plan_of(variant, run.sample.plan)),
    }
    value = generate_slides(plans, context.book, VariantSampler(sampler, variant), folder, facts)
    num = sum(len(plan.tiles) for plan in plans)
    return f"{len(plans)} slides, {num} tiles; standard deviation {value:.2f} (data: 1)"
