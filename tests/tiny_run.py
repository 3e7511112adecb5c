"""A run of untrained networks, for tests of what uses a run; made once a process, then copied."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from disc.files import digest
from disc.grade.carcino import CarcinoNet
from disc.model.autoencoder import Autoencoder, build_vq
from disc.model.denoiser import Denoiser
from disc.model.store import hash_weights, save_weights
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.pipeline.config_file import read_config, to_json
from disc.pipeline.context import Context
from disc.pipeline.stages.referee import REFEREE
from disc.presets import smoke
from disc.settings.run import Run
from disc.train.latents.encoding import encode_tiles

KEPT = tempfile.TemporaryDirectory(prefix="tiny-runs-")
"""What was made, by a hash of what it was asked for."""


def write_tiny_run(
    folder: Path, run: Run | None = None, variants: tuple[str, ...] = ("sd", "sd-disc")
) -> Path:
    """Write denoisers, autoencoder and referee of a run (None: smoke), as before any training."""
    run = run or smoke()

    def make(place: Path) -> None:
        torch.manual_seed(0)
        Autoencoder(build_vq(run.autoencoder)).save(place / "latents" / "autoencoder")
        for variant in variants:
            Denoiser(run.denoiser).save(place / "denoiser" / variant)
        save_weights(place / "referee" / REFEREE, CarcinoNet(run.evaluate.referee))
        (place / "config.json").write_bytes(to_json(run))

    _copy(digest([to_json(run).decode(), variants]), make, folder)
    torch.manual_seed(0)
    return folder


def write_tiny_data(folder: Path) -> Path:
    """Write what synthesis needs beside a tiny run's networks: a training set, and its latents."""
    weights = folder / "latents" / "autoencoder"
    config = folder / "config.json"

    def make(place: Path) -> None:
        request = PhantomRequest(
            out=place / "data" / "training", slides=(2, 2, 2, 2), core_um=(300, 400)
        )
        draw_set(request)
        context = Context(read_config(config), place)
        autoencoder = Autoencoder.load(weights)
        encode_tiles(autoencoder, context.split.train, place / "latents", 1)
        autoencoder.save(place / "latents" / "autoencoder")

    _copy(digest([config.read_text(), hash_weights(Autoencoder.load(weights).vq)]), make, folder)
    return folder


def _copy(name: str, make: Callable[[Path], None], folder: Path) -> None:
    """Put into a folder what is made once."""
    kept = Path(KEPT.name) / name
    if not kept.is_dir():
        made = kept.with_name(f"{name} at work")
        make(made)
        made.rename(kept)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
