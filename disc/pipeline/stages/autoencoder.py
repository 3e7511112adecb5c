"""The stages of the autoencoder and of the latents of the training tiles."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from disc.files import digest
from disc.model.autoencoder import Autoencoder
from disc.pipeline.context import Context, as_json
from disc.pipeline.stage import Stage
from disc.pipeline.stages.data import check_source
from disc.processes import own_device, own_share
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.train.checkpoint import NAME as CHECKPOINT
from disc.train.latents.encoding import NAME as LATENTS
from disc.train.latents.encoding import encode_tiles
from disc.train.latents.latent_set import draw_tiles
from disc.train.objectives.autoencoder import measure_codebook, train_autoencoder


def autoencoder_stage(context: Context) -> Stage:
    """Trains the autoencoder, or takes the given one."""
    run = context.run
    return Stage(
        name="autoencoder",
        needs=("data",),
        settings=[as_json(run.autoencoder), _source_hash(run.autoencoder), run.seed],
        work=partial(_autoencoder, context),
        is_shared=True,
        is_trained=True,
    )


def latents_stage(context: Context) -> Stage:
    """Encodes the training tiles, and measures the latents' scale."""
    run = context.run
    return Stage(
        name="latents",
        needs=("data", "autoencoder"),
        settings=[run.denoiser.dihedral, run.denoiser.latents_dtype],
        work=partial(_latents, context),
        is_shared=True,
        kept=("shards",),
        result=LATENTS,
    )


def _source_hash(settings: AutoencoderSettings) -> str:
    """What the given autoencoder holds, so that another one under its name is noticed."""
    paths = sorted(settings.source.glob("*")) if settings.source is not None else []
    return digest([digest(path.read_bytes()) for path in paths if path.is_file()])


def _autoencoder(context: Context, folder: Path) -> str:
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


def _latents(context: Context, folder: Path) -> str:
    autoencoder = Autoencoder.load(context.folder / "autoencoder").to(own_device())
    settings, tiles = context.run.denoiser, context.split.train
    scale = encode_tiles(autoencoder, tiles, folder, settings.dihedral, settings.latents_dtype)
    if own_share().is_first:
        autoencoder.save(folder / "autoencoder")
    return f"{len(tiles)} tiles in {settings.dihedral} turns, measured scale {scale:.4f}"
