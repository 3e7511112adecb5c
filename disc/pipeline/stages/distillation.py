"""The stages that distil separated conditions: sd-disc and sd-disc-cotrain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from disc.pipeline.context import Context
from disc.pipeline.stages.denoiser import finish, train_and_save, watch_as
from disc.sample.bank import read_bank
from disc.settings.distillation import Distilled
from disc.settings.run import Run
from disc.train.latents.dropout import drop_masks
from disc.train.latents.latent_set import LatentSet, draw_batches
from disc.train.objectives.distil import cotrain_batches, distil_batches


def distil(context: Context, variant: Distilled, folder: Path) -> str:
    """Distil a variant from the bank."""
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
    watched = watch_as(context, variant)
    train_and_save(watched, folder, context.denoiser("sd"), batch_at, optim)
    return finish(context, folder, context.split.train, f"{optim.steps} steps of {optim.batch}")


def _real_half(latents: LatentSet, run: Run, size: int) -> Any:
    return draw_batches(
        latents,
        batch=size,
        uniform_fraction=run.denoiser.uniform_fraction,
        seed=run.seed,
        purpose="cotrain",
    )
