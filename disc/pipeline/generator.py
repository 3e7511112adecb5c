"""Stages of the generative half: data, autoencoder, latents, denoisers, bank."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from disc import settings
from disc.data.tiles import TileSet
from disc.files import BadInput, write_json
from disc.model.autoencoder import Autoencoder
from disc.phantom.sets import write_referee_set, write_shifted_set, write_training_set
from disc.pipeline.context import Context
from disc.pipeline.judge import measure_bank
from disc.pipeline.protocol import finish, train_and_save
from disc.processes import own_device, own_share
from disc.progress import Bar
from disc.sample.bank import fill_bank, read_bank
from disc.train.autoencoder import measure_codebook, train_autoencoder
from disc.train.checkpoint import NAME as CHECKPOINT
from disc.train.distil import cotrain_batches, distil_batches
from disc.train.dropout import hide_masks
from disc.train.encoding import encode_tiles
from disc.train.latents import LatentSet, draw_batches, draw_tiles


def _check_source(knobs: settings.Autoencoder) -> None:
    if knobs.finetune and (knobs.source is None or knobs.optim.steps == 0):
        raise BadInput(
            "autoencoder.finetune needs autoencoder.source and autoencoder.optim.steps > 0"
        )
    if knobs.source is not None:
        Autoencoder.load(knobs.source)


def _data(context: Context, folder: Path) -> str:
    """Draw the phantom, or look at every tile of the given sets."""
    run = context.run
    _check_source(run.autoencoder)
    if context.is_simulated:
        cores = os.cpu_count() or 1
        write_training_set(folder / "training", run.phantom, run.data, processes=cores)
        write_shifted_set(folder / "shifted", run.phantom, run.data, processes=cores)
        write_referee_set(folder / "referee", run.phantom, run.data, processes=cores)
    split, shifted = context.split, run.data.shifted_root
    sets = [] if context.is_simulated else [context.read(context.root)]
    given = [] if context.is_simulated else [split.train, split.val, split.test]
    if shifted is not None:
        sets.append(context.read_shifted(shifted))
        given.append(sets[-1])
    for tiles in given:
        _look_at_all(tiles)
    sizes = {name: len(getattr(split, name)) for name in ("train", "val", "test")}
    notes = [note for tiles in sets for note in tiles.notes]
    facts = {"tiles": sizes, "slides": len(split.train.slides), "notes": notes}
    write_json(folder / "summary.json", facts)
    counted = ", ".join(f"{size} {name}" for name, size in sizes.items())
    return "; ".join([f"{counted} tiles", *notes])


def _look_at_all(tiles: TileSet) -> None:
    """Decode every image and mask, so that a damaged one is named before hours of training."""
    bar = Bar("reading tiles", total=len(tiles), unit="tile")
    for i in range(len(tiles)):
        tiles.image(i)
        tiles.mask(i)
        bar.advance()
    bar.close()


def _autoencoder(context: Context, folder: Path) -> str:
    knobs = context.run.autoencoder
    _check_source(knobs)
    if knobs.source is not None and not knobs.finetune:
        Autoencoder.load(knobs.source).save(folder)
        return f"taken from {knobs.source}"
    batch_at = draw_tiles(
        context.split.train,
        batch=knobs.optim.batch,
        seed=context.run.seed,
        workers=context.run.data.workers,
    )
    trained = train_autoencoder(knobs, batch_at, folder, context.run.seed)
    use = measure_codebook(trained, batch_at, knobs.optim.steps)
    trained.save(folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    start = f" from {knobs.source}" if knobs.finetune else ""
    return f"{knobs.optim.steps} steps of {knobs.optim.batch}{start}; {use}"


def _latents(context: Context, folder: Path) -> str:
    autoencoder = Autoencoder.load(context.folder / "autoencoder").to(own_device())
    knobs, tiles = context.run.denoiser, context.split.train
    scale = encode_tiles(autoencoder, tiles, folder, knobs.turns, knobs.latents_dtype)
    if own_share().is_first:
        autoencoder.save(folder / "autoencoder")
    return f"{len(tiles)} tiles in {knobs.turns} turns, measured scale {scale:.4f}"


def _bank(context: Context, folder: Path) -> str:
    run = context.run
    fill_bank(
        context.denoiser("sd"),
        folder,
        run.sample,
        num=run.distil.num_bundles,
        labels=context.latents.known(),
        latent_px=run.data.tile_px // 4,
        seed=run.seed,
    )
    quality = measure_bank(context, read_bank(folder))
    write_json(folder / "quality.json", quality)
    return (
        f"{quality['bundles']} bundles; spread {quality['spread']:.2f} (data: 1), "
        f"agreement {quality['one label']:.2f} on one label, "
        f"{quality['several labels']:.2f} on several"
    )


def _distilled(context: Context, variant: settings.Variant, folder: Path) -> str:
    run = context.run
    optim, is_cotrained = run.distil.optim, variant == "sd-disc-cotrain"
    size = optim.batch // 2 if is_cotrained else optim.batch
    bank = read_bank(context.folder / "bank")
    shapes = context.book.shapes
    batch_at = distil_batches(bank, shapes, batch=size, seed=run.seed, purpose=variant)
    if is_cotrained:
        batch_at = cotrain_batches(_real_half(context.latents, run, size), batch_at)
    share = run.denoiser.condition_dropout
    batch_at = hide_masks(batch_at, share, seed=run.seed, purpose=variant)
    train_and_save(context, folder, context.denoiser("sd"), batch_at, optim)
    return finish(context, folder, context.split.train, f"{optim.steps} steps of {optim.batch}")


def _real_half(latents: LatentSet, run: settings.Run, size: int) -> Any:
    return draw_batches(
        latents,
        batch=size,
        uniform_share=run.denoiser.uniform_share,
        seed=run.seed,
        purpose="cotrain",
    )
