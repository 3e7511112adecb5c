"""Graders of every architecture that a run may have are opened, or refused by name."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from disc.files import BadInput, write_bytes
from disc.grade.carcino import build_carcino
from disc.grade.encoder import CrossEncoder
from disc.grade.public_carcino import PublicCarcinoNet
from disc.model.store import save_weights
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.pipeline.config_file import read_config, to_json
from disc.pipeline.weights.graders import open_grading
from disc.pipeline.weights.trained import open_run
from disc.presets import smoke
from disc.records.markers import marked
from disc.settings.grading import CarcinoNet
from tests.tiny_run import write_tiny_run


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, data = tmp_path_factory.mktemp("tiles") / "training", smoke().data
    draw_set(
        PhantomRequest(
            out=folder,
            slides=(1, 1, 1, 1),
            core_um=(300, 400),
            tile_px=data.tile_px,
            um_per_px=data.um_per_px,
        )
    )
    return folder


def write_run(folder: Path, tiles: Path, carcino: CarcinoNet) -> Path:
    plain = smoke()
    settings = replace(plain, grade=replace(plain.grade, carcino=carcino))
    write_tiny_run(folder, settings, ("sd",))
    shutil.copytree(tiles, folder / "data" / "training")
    save_weights(folder / "graders/pixels/real/carcino.safetensors", build_carcino(carcino))
    return folder


def test_the_public_architecture_is_opened_to_read(
    tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PublicCarcinoNet, "__init__", small)
    carcino = CarcinoNet(architecture="public")
    folder = write_run(tmp_path / "run", tiles, carcino)
    nets = build_carcino(carcino), build_carcino(carcino)
    CrossEncoder(nets, {"a": 0}).save(folder / "features" / "carcino")
    gone = replace(carcino, encoder_weights=tmp_path / "gone.pth")
    write_config(folder, gone)
    graders = open_grading(open_run(folder)).graders
    assert isinstance(open_run(folder).pixel_grader(), PublicCarcinoNet)
    assert isinstance(graders.pixel[0], PublicCarcinoNet)
    assert not any(net.training for net in graders.members), "statistics are those of training"


def write_config(folder: Path, carcino: CarcinoNet) -> None:
    run = read_config(folder / "config.json")
    changed = replace(run, grade=replace(run.grade, carcino=carcino))
    (folder / "config.json").write_bytes(to_json(changed))


def small(net: PublicCarcinoNet, num_labels: int) -> None:
    """One layer in place of 311 M weights."""
    torch.nn.Module.__init__(net)
    net.head = torch.nn.Conv2d(3, num_labels, 1)


def test_three_classes_give_no_score(tiles: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", tiles, CarcinoNet(width=8, blocks=(1, 1), classes=3))
    with pytest.raises(BadInput, match="tell GG4 from GG5 nowhere"):
        open_grading(open_run(folder))


def test_a_damaged_slide_grader_is_refused(tiles: Path, tmp_path: Path) -> None:
    carcino = CarcinoNet(width=8, blocks=(1, 1))
    folder = write_run(tmp_path / "run", tiles, carcino)
    nets = build_carcino(carcino), build_carcino(carcino)
    CrossEncoder(nets, {"a": 0}).save(folder / "features" / "carcino")
    head = folder / "graders" / "slides" / "real seed 0" / "transmil.safetensors"
    write_bytes(head, b"junk")
    with pytest.raises(BadInput, match="damaged"):
        open_grading(open_run(folder))
    shutil.rmtree(head.parent)
    with marked(folder / "data", "drawn"):
        mask = next(folder.glob("data/training/masks/*.png"))
    open_grading(open_run(folder))
    mask.write_bytes(mask.read_bytes()[:-1])
    with pytest.raises(BadInput, match=rf"{mask.name}: damaged .* when it was written"):
        open_grading(open_run(folder))
    with pytest.raises(BadInput, match=rf"{mask.name}: damaged .* when it was written"):
        _ = open_run(folder).book
