"""The stages of the autoencoder and of the latents of the training tiles."""

from __future__ import annotations

from pathlib import Path

from disc.model.autoencoder import Autoencoder
from disc.pipeline.context import Context
from disc.pipeline.stages.data import check_source
from disc.processes import own_device, own_share
from disc.train.checkpoint import NAME as CHECKPOINT
from disc.train.latents.encoding import encode_tiles
from disc.train.latents.latent_set import draw_tiles
from disc.train.objectives.autoencoder import measure_codebook, train_autoencoder


def make_autoencoder(context: Context, folder: Path) -> str:
    """Train the autoencoder, or take the given one."""
    settings = context.run.autoencoder
    check_source(settings)
    if settings.source is not None and not settings.finetune:
        Autoencoder.load(settings.source).save(folder)
        return f"taken from {settings.source}"
    batch_at = draw_tiles(
        context.split.train,
        batch=settings.optim.batch,
        seed=context.run.seed,
        workers=context.run.data.workers,
    )
    trained = train_autoencoder(settings, batch_at, folder, context.run.seed)
    use = measure_codebook(trained, batch_at, settings.optim.steps)
    trained.save(folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    start = f" from {settings.source}" if settings.finetune else ""
    return f"{settings.optim.steps} steps of {settings.optim.batch}{start}; {use}"


def make_latents(context: Context, folder: Path) -> str:
    """Encode the training tiles, and measure the scale of their latents."""
    autoencoder = Autoencoder.load(context.folder / "autoencoder").to(own_device())
    settings, tiles = context.run.denoiser, context.split.train
    scale = encode_tiles(autoencoder, tiles, folder, settings.dihedral, settings.latents_dtype)
    if own_share().is_first:
        autoencoder.save(folder / "autoencoder")
    return (
        f"{len(tiles)} tiles in {settings.dihedral} flips and rotations, measured scale {scale:.4f}"
    )
