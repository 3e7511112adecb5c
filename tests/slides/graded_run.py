"""A run with untrained graders, for tests of what grades slides."""

from pathlib import Path

import torch

from disc.grade.carcino import CarcinoNet
from disc.grade.encoder import CrossEncoder
from disc.grade.transmil import TransMIL
from disc.model.store import save_weights
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.pipeline.config_file import read_config
from tests.tiny_run import write_tiny_run

NUM_FEATURES = 72


def write_graded_run(folder: Path) -> Path:
    """Write a tiny run with its tiles and, of one seed, pixel graders, encoder, slide graders."""
    write_tiny_run(folder)
    run = read_config(folder / "config.json")
    draw_set(
        PhantomRequest(
            out=folder / "data" / "training",
            slides=(2, 2, 2, 2),
            core_um=(300, 400),
            tile_px=run.data.tile_px,
            um_per_px=run.data.um_per_px,
        )
    )
    torch.manual_seed(1)
    net = run.grade.carcino
    place = folder / "graders" / "pixels" / "real" / "carcino.safetensors"
    save_weights(place, CarcinoNet(net))
    encoder = CrossEncoder((CarcinoNet(net), CarcinoNet(net)), {"a": 0})
    encoder.save(folder / "features" / "carcino")
    for seed in range(2):
        head = folder / "graders" / "slides" / f"real seed {seed}" / "transmil.safetensors"
        save_weights(head, TransMIL(run.grade.transmil, NUM_FEATURES))
    return folder
