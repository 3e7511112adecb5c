"""A run of untrained networks, for tests of what uses a run."""

from pathlib import Path

import torch

from disc.grade.carcino import CarcinoNet
from disc.model.autoencoder import Autoencoder, build_vq
from disc.model.denoiser import Denoiser
from disc.model.store import save_weights
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.pipeline.config_file import read_config, to_json
from disc.pipeline.context import Context
from disc.pipeline.stages.referee import REFEREE
from disc.presets import smoke
from disc.settings.run import Run
from disc.train.latents.encoding import encode_tiles


def write_tiny_run(
    folder: Path, run: Run | None = None, variants: tuple[str, ...] = ("sd", "sd-disc")
) -> Path:
    """Write denoisers, autoencoder and referee of a run (None: smoke), as before any training."""
    run = run or smoke()
    torch.manual_seed(0)
    Autoencoder(build_vq(run.autoencoder)).save(folder / "latents" / "autoencoder")
    for variant in variants:
        Denoiser(run.denoiser).save(folder / "denoiser" / variant)
    save_weights(folder / "referee" / REFEREE, CarcinoNet(run.evaluate.referee))
    (folder / "config.json").write_bytes(to_json(run))
    return folder


def write_tiny_data(folder: Path) -> Path:
    """Write what synthesis needs beside a tiny run's networks: a training set, and its latents."""
    request = PhantomRequest(
        out=folder / "data" / "training", slides=(2, 2, 2, 2), core_um=(300, 400)
    )
    draw_set(request)
    context = Context(read_config(folder / "config.json"), folder)
    autoencoder = Autoencoder.load(folder / "latents" / "autoencoder")
    encode_tiles(autoencoder, context.split.train, folder / "latents", 1)
    autoencoder.save(folder / "latents" / "autoencoder")
    return folder
