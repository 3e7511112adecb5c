"""How `sd` is trained: on one fold, or the paper's way, on two and then the better one on all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path

import torch

from disc import settings
from disc.data.seen import see, write_seen
from disc.data.sicapv2 import read_split
from disc.data.tiles import TileSet
from disc.files import BadInput, read_json, write_json
from disc.model.denoiser import Denoiser
from disc.model.schedule import NUM_STEPS, add_noise
from disc.pipeline.context import Context, as_json
from disc.pipeline.stage import Stage
from disc.processes import own_device, own_share
from disc.seeds import derive, torch_generator
from disc.train.checkpoint import NAME as CHECKPOINT
from disc.train.diffusion import train_denoiser
from disc.train.latents import LatentSet, draw_batches
from disc.train.loop import Batch

FOLDS: tuple[settings.Fold, ...] = ("Val1", "Val2")
"""The two folds of the paper."""
VALIDATION = "validation.json"
"""Beside a trained denoiser: its `loss` on tiles that it was not trained on."""
CHUNK = 16


def sd_stages(context: Context) -> list[Stage]:
    """The stages that end in `denoiser/sd`.

    Paper: Sec. 3 (two folds, the lower validation error, then 50 epochs on all).
    """
    run = context.run
    if run.denoiser.protocol == "one-fold":
        return [_stage(context, "sd", ("latents",), partial(_on_one_fold, context))]
    folds = [
        _stage(context, fold, ("latents",), partial(_on_fold, context, fold)) for fold in FOLDS
    ]
    needs = ("latents", *(stage.name for stage in folds))
    last = _stage(context, "sd", needs, partial(_on_all, context))
    return [*folds, replace(last, knobs=[last.knobs, run.denoiser.final_epochs])]


def _stage(
    context: Context, name: str, needs: tuple[str, ...], work: Callable[[Path], str]
) -> Stage:
    # What the last pass over all tiles alone depends on, and what stages there are, is left out.
    knobs = as_json(context.run.denoiser)
    kept = {key: knobs[key] for key in knobs if key not in {"protocol", "final_epochs"}}
    return Stage(
        name=f"denoiser/{name}",
        needs=needs,
        knobs=[kept, context.run.seed],
        work=work,
        is_shared=True,
    )


def _on_one_fold(context: Context, folder: Path) -> str:
    optim, seed = context.run.denoiser.optim, context.run.seed
    torch.manual_seed(derive(seed, "denoiser"))
    batch_at = _batches(context, context.latents, "denoiser")
    train_and_save(Denoiser(context.run.denoiser), batch_at, optim, folder, seed)
    return finish(context, folder, context.split.train, f"{optim.steps} steps of {optim.batch}")


def _on_fold(context: Context, fold: settings.Fold, folder: Path) -> str:
    """Train on the training tiles of a fold; measure the loss on its validation tiles."""
    run, split = context.run, read_split(context.root, fold, context.read(context.root))
    optim, purpose = run.denoiser.optim, f"denoiser {fold}"
    torch.manual_seed(derive(run.seed, purpose))
    batch_at = _batches(context, _latents_of(context, split.train, fold), purpose)
    denoiser = Denoiser(run.denoiser)
    train_and_save(denoiser, batch_at, optim, folder, run.seed)
    # The checkpoint stands until the loss does: a kill here does not cost the training.
    if own_share().is_first and not (folder / VALIDATION).exists():
        held_out = _latents_of(context, split.val, fold)
        loss = measure_loss(denoiser, held_out, run.seed)
        write_json(folder / VALIDATION, {"step": optim.steps, "loss": loss})
    what = f"{optim.steps} steps of {optim.batch} on {len(split.train)} tiles"
    return finish(context, folder, split.train, what, fold=fold)


def _on_all(context: Context, folder: Path) -> str:
    """Go on from the better fold's weights, on all training tiles."""
    knobs, seed = context.run.denoiser, context.run.seed
    losses = {fold: read_loss(context.folder / "denoiser" / fold) for fold in FOLDS}
    best = min(FOLDS, key=lambda fold: losses[fold])
    tiles = context.split.train
    optim = replace(knobs.optim, steps=steps_of(knobs.final_epochs, len(tiles), knobs.optim.batch))
    denoiser = Denoiser.load(context.folder / "denoiser" / best, knobs)
    batch_at = _batches(context, context.latents, "denoiser all")
    train_and_save(denoiser, batch_at, optim, folder, seed)
    compared = ", ".join(f"{fold} {loss:.4f}" for fold, loss in losses.items())
    what = (
        f"from {best} (validation loss {compared}), {optim.steps} steps of {optim.batch}: "
        f"{knobs.final_epochs} passes over {len(tiles)} tiles"
    )
    return finish(context, folder, tiles, what)


def steps_of(epochs: int, num: int, batch: int) -> int:
    """Steps in which every one of `num` tiles comes `epochs` times."""
    return ceil(epochs * num / batch)


def train_and_save(
    denoiser: Denoiser,
    batch_at: Callable[[int], Batch],
    optim: settings.Optim,
    folder: Path,
    seed: int,
) -> None:
    """Train a denoiser and write it into the folder, beside the checkpoint."""
    train_denoiser(denoiser, batch_at, optim, folder, seed).save(folder)


def finish(
    context: Context,
    folder: Path,
    tiles: TileSet,
    what: str,
    *,
    fold: settings.Fold | None = None,
) -> str:
    """Note which slides a trained denoiser saw, and let its checkpoint go; returns `what`.

    Args:
        context: the run.
        folder: of the denoiser.
        tiles: what it was trained on.
        what: what was done.
        fold: whose training tiles they are; None: those of the run's.
    """
    run, slides = context.run, list(tiles.slides.values())
    if run.autoencoder.source is None or run.autoencoder.finetune:
        # An autoencoder that was trained in the run has seen all that the run trains on.
        slides += context.split.train.slides.values()
    if own_share().is_first:
        seen = see(slides, protocol=run.denoiser.protocol, fold=fold or run.data.fold)
        write_seen(folder, seen)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return what


def read_loss(folder: Path) -> float:
    """Loss of a trained denoiser on the tiles that validated it."""
    return float(read_json(folder / VALIDATION)["loss"])


@torch.inference_mode()
def measure_loss(denoiser: Denoiser, latents: LatentSet, seed: int) -> float:
    """Mean squared error of the noise, over all tiles, each at one fixed noise and time step.

    The time steps are spread evenly over all tiles, so that the tiles share them out.
    """
    device, num = own_device(), len(latents.latents)
    generator = torch_generator(seed, "validation")
    times = torch.randperm(num, generator=generator) * NUM_STEPS // num
    denoiser, total = denoiser.to(device).eval(), 0.0
    for start in range(0, num, CHUNK):
        chunk = slice(start, start + CHUNK)
        z_0, masks = latents.latents[chunk, 0].float(), latents.masks[chunk, 0].to(device)
        eps, t = torch.randn(z_0.shape, generator=generator), times[chunk]
        predicted = denoiser(add_noise(z_0, eps, t).to(device), t.to(device), masks)
        total += float((predicted.cpu() - eps).square().mean()) * len(t)
    return total / num


def _batches(context: Context, latents: LatentSet, purpose: str) -> Callable[[int], Batch]:
    knobs = context.run.denoiser
    return draw_batches(
        latents,
        batch=knobs.optim.batch,
        uniform_share=knobs.uniform_share,
        seed=context.run.seed,
        purpose=purpose,
    )


def _latents_of(context: Context, part: TileSet, fold: settings.Fold) -> LatentSet:
    """Latents of some of the training tiles, which are encoded once for all folds."""
    places = {tile.name: i for i, tile in enumerate(context.split.train.tiles)}
    if unknown := sorted(tile.name for tile in part.tiles if tile.name not in places):
        raise BadInput(
            f"{context.root}/partition/Validation/{fold}: {len(unknown)} tile(s) are not in "
            f"Test/Train, first {unknown[0]}; a fold divides Test/Train: correct the workbooks"
        )
    return context.latents.subset([places[tile.name] for tile in part.tiles])
