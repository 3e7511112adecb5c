"""The stages of the autoencoder and of the latents of the training tiles."""

from __future__ import annotations

from pathlib import Path

from disc.model.autoencoder import Autoencoder
from disc.pipeline.context import Context
from disc.pipeline.stages.data import check_source
from disc.processes import own_device, write_once
from disc.train.checkpoint import NAME as CHECKPOINT
from disc.train.diagnose import NamedBatches
from disc.train.latents.encoding import encode_tiles
from disc.train.latents.latent_set import draw_tiles
from disc.train.objectives.autoencoder import measure_codebook, train_autoencoder
from disc.train.objectives.decoder import tune_decoder


def make_autoencoder(context: Context, folder: Path) -> str:
    """Train the autoencoder, or take the given one; then its decoder alone, where asked for."""
    settings = context.run.autoencoder
    check_source(settings)
    optim, tuning = settings.optim, settings.decoder.optim
    batch_at = _tiles(context, optim.batch)
    if settings.source is not None and not settings.finetune:
        trained = Autoencoder.load(settings.source).to(own_device())
        done = f"taken from {settings.source}"
    else:
        trained = train_autoencoder(settings, batch_at, folder, context.run.seed)
        start = f" from {settings.source}" if settings.finetune else ""
        done = f"{optim.steps} steps of {optim.batch}{start}"
    if tuning.steps:
        last = folder / "decoder"
        tiles = _tiles(context, tuning.batch, is_even=settings.decoder.even_labels)
        tune_decoder(trained.vq, settings.decoder, tiles, last, context.run.seed)
        write_once(lambda: (last / CHECKPOINT).unlink(missing_ok=True))
        done += f", then the decoder {tuning.steps} of {tuning.batch}"
    if settings.source is None or settings.finetune:
        done += f"; {measure_codebook(trained, batch_at, optim.steps)}"
    write_once(lambda: finish(trained, folder))
    return done


def finish(trained: Autoencoder, folder: Path) -> None:
    """Write a trained autoencoder, and let its checkpoint go."""
    trained.save(folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _tiles(context: Context, batch: int, is_even: bool = False) -> NamedBatches:
    run, tiles = context.run, context.split.train
    return draw_tiles(tiles, batch=batch, seed=run.seed, workers=run.data.workers, is_even=is_even)


def make_latents(context: Context, folder: Path) -> str:
    """Encode the training tiles, and measure the scale of their latents."""
    autoencoder = Autoencoder.load(context.folder / "autoencoder").to(own_device())
    settings, tiles = context.run.denoiser, context.split.train
    scale = encode_tiles(autoencoder, tiles, folder, settings.dihedral, settings.latents_dtype)
    write_once(lambda: autoencoder.save(folder / "autoencoder"))
    return (
        f"{len(tiles)} tiles in {settings.dihedral} flips and rotations, measured scale {scale:.4f}"
    )
