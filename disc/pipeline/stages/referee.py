"""The stage that trains the referee, apart from everything that it judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from disc.evaluate.referee import read_tiles, train_referee
from disc.grade.carcino import CarcinoNet
from disc.grade.pool import TilePool
from disc.labels import IGNORE
from disc.model.store import load_weights, save_weights
from disc.pipeline.context import Context
from disc.processes import own_device, write_once
from disc.sample.sampler import rebuild
from disc.seeds import numpy_generator
from disc.train.checkpoint import NAME as CHECKPOINT

REFEREE = "referee.safetensors"
READ_SAMPLE = 400
"""Test tiles on which the referee's own accuracy is measured."""


def make_referee(context: Context, folder: Path) -> str:
    """Train the referee."""
    run = context.run
    if context.is_simulated:
        tiles = context.read(context.folder / "data" / "referee", "masks_exact")
    else:
        tiles = context.split.val
    pool = TilePool(tiles, run.data.workers)
    trained = train_referee(run.evaluate, pool, folder, run.seed)
    write_once(lambda: _finish(trained, folder))
    source = "exact masks of another draw" if context.is_simulated else "the validation tiles"
    return f"trained on {source}, {len(tiles)} tiles"


def _finish(trained: CarcinoNet, folder: Path) -> None:
    save_weights(folder / REFEREE, trained)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def load_referee(context: Context) -> CarcinoNet:
    """The trained referee."""
    referee = CarcinoNet(context.run.evaluate.referee)
    load_weights(context.folder / "referee" / REFEREE, referee)
    return referee.to(own_device()).eval()


def pixel_accuracy(context: Context, referee: CarcinoNet) -> dict[str, float]:
    """Pixel accuracy of the referee on tiles as they come in the test partition."""
    tiles = context.judged
    order = numpy_generator(context.run.seed, "referee's accuracy").permutation(len(tiles))
    chosen = [int(i) for i in order[:READ_SAMPLE]]
    images = np.stack([tiles.image(i) for i in chosen])
    masks = np.stack([tiles.mask(i) for i in chosen])
    views = {"real": images, "reconstruction": rebuild(context.autoencoder, images)}
    is_known = masks != IGNORE
    return {
        name: float((read_tiles(referee, view) == masks)[is_known].mean())
        for name, view in views.items()
    }
