"""The stages that generate synthetic slides."""

from __future__ import annotations

from pathlib import Path

from disc.data.tiles.names import join_ids
from disc.pipeline.context import Context
from disc.sample.generation import VariantSampler, generate_slides
from disc.settings.synthesis import Variant


def synthesise(context: Context, variant: Variant, folder: Path) -> str:
    """Generate the synthetic slides of a variant."""
    plans = context.recipes
    if not plans:
        return "no synthetic slides: no real slide has a score to balance"
    source, facts = VariantSampler(context.sampler(variant), variant), list_training(context)
    scale = context.um_per_px
    value = generate_slides(
        plans,
        context.book,
        source,
        folder,
        facts,
        um_per_px=scale,
        is_simulated=context.is_simulated,
    )
    num = sum(len(plan.tiles) for plan in plans)
    return f"{len(plans)} slides, {num} tiles; standard deviation {value:.2f} (data: 1)"


def list_training(context: Context) -> dict[str, str]:
    """Which slides the generator was trained on, as manifests say it."""
    slides = sorted(context.split.train.slides)
    return {"training_slides": join_ids(slides), "fold": context.run.data.fold}
