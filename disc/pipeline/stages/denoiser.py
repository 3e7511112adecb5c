"""How `sd` is trained: on one fold, or the paper's way, on two and then the better one on all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path

import torch

from disc.data.readers.sicapv2 import read_split
from disc.data.tiles.split import Split
from disc.data.tiles.tile_set import TileSet
from disc.data.trained_on import list_trained_on, write_trained_on
from disc.files import BadInput
from disc.model.denoiser import Denoiser
from disc.pipeline.context import FOLDS, Context
from disc.pipeline.stages.training_hooks import denoiser_hooks, describe_validation, read_validation
from disc.processes import own_share, write_once
from disc.seeds import derive
from disc.settings.data import Fold
from disc.settings.denoiser import Denoiser as DenoiserSettings
from disc.settings.synthesis import Variant
from disc.settings.training import Optim
from disc.train.checkpoint import NAME as CHECKPOINT
from disc.train.diagnose import NamedBatches, part_of
from disc.train.latents.dropout import drop_masks
from disc.train.latents.latent_set import LatentSet, count_uniform, draw_batches
from disc.train.objectives.diffusion import train_denoiser
from disc.train.prefetch import Prefetcher


def train_on_one_fold(context: Context, folder: Path) -> str:
    """Train on the training tiles of the run's fold."""
    optim = context.run.denoiser.optim
    torch.manual_seed(derive(context.run.seed, "denoiser"))
    batch_at = _batches(context, context.latents, "denoiser")
    train_and_save(context, folder, Denoiser(context.run.denoiser), batch_at, optim)
    return finish(context, folder, context.split.train, f"{optim.steps} steps of {optim.batch}")


def train_on_fold(context: Context, fold: Fold, folder: Path) -> str:
    """Train on the training tiles of a fold, validated on its validation tiles."""
    run, split = context.run, read_split(context.root, fold, context.read(context.root))
    optim, purpose = run.denoiser.optim, f"denoiser {fold}"
    torch.manual_seed(derive(run.seed, purpose))
    batch_at = _batches(context, _latents_of(context, split.train, fold), purpose)
    denoiser = Denoiser(run.denoiser)
    train_and_save(context, folder, denoiser, batch_at, optim, split=split)
    what = f"{optim.steps} steps of {optim.batch} on {len(split.train)} tiles"
    return finish(context, folder, split.train, what, fold=fold)


def train_on_all(context: Context, folder: Path) -> str:
    """Go on from the better fold's weights, on all training tiles."""
    settings = context.run.denoiser
    losses = {fold: read_loss(context.folder / "denoiser" / fold) for fold in FOLDS}
    best = min(FOLDS, key=lambda fold: losses[fold])
    tiles = context.split.train
    optim = replace(settings.optim, steps=count_steps(settings, len(tiles)))
    denoiser = Denoiser.load(context.folder / "denoiser" / best, settings)
    batch_at = _batches(context, context.latents, "denoiser all")
    train_and_save(context, folder, denoiser, batch_at, optim)
    compared = ", ".join(f"{fold} {loss:.4f}" for fold, loss in losses.items())
    what = (
        f"from {best} (validation loss {compared}), {optim.steps} steps of {optim.batch}: "
        f"{settings.final_epochs} passes over {len(tiles)} tiles"
    )
    return finish(context, folder, tiles, what)


def count_steps(settings: DenoiserSettings, num: int) -> int:
    """Steps in which every one of `num` tiles comes `final_epochs` times, drawn as they come.

    Those of uniform masks that a batch has beside them come more often.
    """
    batch = settings.optim.batch
    beside = count_uniform(batch, settings.uniform_fraction)
    return ceil(settings.final_epochs * num / (batch - beside or batch))


def watch_as(context: Context, variant: Variant) -> Context:
    """The run as a variant in training is looked at: sampled as its tiles will be drawn.

    Where that is as all are, it is the same, with what it has read.
    """
    solver = context.run.solver_of(variant)
    if solver == context.run.sample.solver:
        return context
    sample = replace(context.run.sample, solver=solver)
    return Context(replace(context.run, sample=sample), context.folder)


def train_and_save(
    context: Context,
    folder: Path,
    denoiser: Denoiser,
    batch_at: NamedBatches,
    optim: Optim,
    *,
    split: Split | None = None,
    train: Callable[..., Denoiser] = train_denoiser,
) -> None:
    """Train a denoiser and write it into the folder, beside the checkpoint.

    Args:
        context: the run.
        folder: of the denoiser.
        denoiser: with its first weights.
        batch_at: what it learns from.
        optim: how long, and how.
        split: the fold on whose validation tiles it is validated; None: the run's.
        train: trains it, with the arguments of `train_denoiser`.
    """
    hooks = denoiser_hooks(context, folder, split)
    own, size = own_share(), optim.batch
    ahead = Prefetcher(lambda step: part_of(batch_at, step, own, size))
    read_ahead = NamedBatches(batch_at, batch_at.names_at, lambda step, rows: ahead(step))
    trained = train(denoiser, read_ahead, optim, folder, context.run.seed, hooks=hooks)
    write_once(lambda: trained.save(folder))


def finish(
    context: Context,
    folder: Path,
    tiles: TileSet,
    what: str,
    *,
    fold: Fold | None = None,
) -> str:
    """Note which slides a trained denoiser saw, and let its checkpoint go.

    Args:
        context: the run.
        folder: of the denoiser.
        tiles: what it was trained on.
        what: what was done.
        fold: whose training tiles they are; None: those of the run's.

    Returns:
        `what`, and the validation loss where there is one.
    """
    run, slides = context.run, list(tiles.slides.values())
    if run.autoencoder.source is None or run.autoencoder.finetune:
        # An autoencoder that was trained in the run has seen all that the run trains on.
        slides += context.split.train.slides.values()
    if own_share().is_first:
        seen = list_trained_on(slides, protocol=run.denoiser.protocol, fold=fold or run.data.fold)
        write_trained_on(folder, seen)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return what + describe_validation(folder)


def read_loss(folder: Path) -> float:
    """Loss of a trained denoiser on the tiles that validated it."""
    return read_validation(folder).loss


def _batches(context: Context, latents: LatentSet, purpose: str) -> NamedBatches:
    settings, seed = context.run.denoiser, context.run.seed
    batch_at = draw_batches(
        latents,
        batch=settings.optim.batch,
        uniform_fraction=settings.uniform_fraction,
        seed=seed,
        purpose=purpose,
    )
    return drop_masks(batch_at, settings.condition_dropout, seed=seed, purpose=purpose)


def _latents_of(context: Context, part: TileSet, fold: Fold) -> LatentSet:
    """Latents of some of the training tiles, which are encoded once for all folds."""
    places = {tile.name: i for i, tile in enumerate(context.split.train.tiles)}
    if unknown := sorted(tile.name for tile in part.tiles if tile.name not in places):
        raise BadInput(
            f"{context.root}/partition/Validation/{fold}: {len(unknown)} tile(s) are not in "
            f"Test/Train, first {unknown[0]}; a fold divides Test/Train: correct the workbooks"
        )
    return context.latents.subset([places[tile.name] for tile in part.tiles])
