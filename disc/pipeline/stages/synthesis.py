"""The stages that generate synthetic slides."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from disc.model.store import hash_weights
from disc.pipeline.context import Context, as_json
from disc.pipeline.stage import Stage
from disc.sample.solver import name_solver
from disc.sample.synthesis import VariantSampler, generate_slides, plan_slides
from disc.settings.synthesis import Variant


def synthesis_stages(context: Context) -> list[Stage]:
    """A stage of synthetic slides for each variant that the settings ask for."""
    return [_synthesis(context, variant) for variant in context.run.synthesis.variants]


def _synthesis(context: Context, variant: Variant) -> Stage:
    source = "denoiser/sd" if variant == "sd-sc" else f"denoiser/{variant}"
    return Stage(
        name=f"synthetic/{variant}",
        needs=("data", source),
        settings=[as_json(context.run.synthesis), as_json(context.run.sample.solver)],
        work=partial(_generate, context, variant),
        is_shared=True,
    )


def _generate(context: Context, variant: Variant, folder: Path) -> str:
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
        "solver": name_solver(run.sample.solver),
    }
    value = generate_slides(plans, context.book, VariantSampler(sampler, variant), folder, facts)
    num = sum(len(plan.tiles) for plan in plans)
    return f"{len(plans)} slides, {num} tiles; spread {value:.2f} (data: 1)"
