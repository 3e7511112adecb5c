"""The stages that distil separated conditions: sd-disc and sd-disc-cotrain."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from disc.pipeline.context import TRAINED, Context, as_json
from disc.pipeline.stage import Stage
from disc.pipeline.stages.denoiser import finish, train_and_save
from disc.pipeline.stages.training_hooks import deciding_settings
from disc.sample.bank import read_bank
from disc.settings.run import Run
from disc.settings.synthesis import Variant
from disc.train.latents.dropout import drop_masks
from disc.train.latents.latent_set import LatentSet, draw_batches
from disc.train.objectives.distil import cotrain_batches, distil_batches


def distillation_stages(context: Context) -> list[Stage]:
    """A stage for each variant that is distilled from the bank."""
    return [_distilling(context, variant) for variant in TRAINED[1:]]


def _distilling(context: Context, variant: Variant) -> Stage:
    return Stage(
        name=f"denoiser/{variant}",
        needs=("bank",),
        settings=[as_json(context.run.distil.optim), context.run.seed, *deciding_settings(context)],
        work=partial(_distilled, context, variant),
        is_shared=True,
        is_trained=True,
    )


def _distilled(context: Context, variant: Variant, folder: Path) -> str:
    run = context.run
    optim, is_cotrained = run.distil.optim, variant == "sd-disc-cotrain"
    size = optim.batch // 2 if is_cotrained else optim.batch
    bank = read_bank(context.folder / "bank")
    shapes = context.book.shapes
    batch_at = distil_batches(bank, shapes, batch=size, seed=run.seed, purpose=variant)
    if is_cotrained:
        batch_at = cotrain_batches(_real_half(context.latents, run, size), batch_at)
    fraction = run.denoiser.condition_dropout
    batch_at = drop_masks(batch_at, fraction, seed=run.seed, purpose=variant)
    train_and_save(context, folder, context.denoiser("sd"), batch_at, optim)
    return finish(context, folder, context.split.train, f"{optim.steps} steps of {optim.batch}")


def _real_half(latents: LatentSet, run: Run, size: int) -> Any:
    return draw_batches(
        latents,
        batch=size,
        uniform_fraction=run.denoiser.uniform_fraction,
        seed=run.seed,
        purpose="cotrain",
    )
