"""Graders: what is finished is not trained again, and sets are listed once for all of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from disc.files import BadInput
from disc.grade import bags as bags_of
from disc.grade.carcino import CarcinoNet
from disc.grade.transmil import TransMIL
from disc.phantom.sets import write_training_set
from disc.pipeline.configurations import pixel_configurations, slide_configurations
from disc.pipeline.context import Context
from disc.pipeline.stages import pixel_graders, slide_graders
from disc.presets import smoke
from disc.settings.data import Data
from disc.settings.phantom import Phantom


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    phantom = Phantom(slides=(2, 2, 2, 2), test_slides=(1, 1, 1, 1), core_um=(300.0, 500.0))
    write_training_set(folder, phantom, Data(tile_px=32, um_per_px=8.0))
    return folder


@pytest.fixture
def context(root, tmp_path):
    run = dataclasses.replace(smoke(), data=Data(tile_px=32, um_per_px=8.0, root=root))
    for variant in run.synthesis.variants:
        (tmp_path / "synthetic" / variant / "images").mkdir(parents=True)
    return Context(run, tmp_path)


def test_a_kill_among_pixel_graders_leaves_the_finished_ones(context, monkeypatch):
    trained, names = [], [one.name for one in pixel_configurations(context.run)]

    def train(*, folder, **_):
        trained.append(folder.name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return CarcinoNet(context.run.grade.carcino)

    monkeypatch.setattr(pixel_graders, "train_pixel_grader", train)
    monkeypatch.setattr(pixel_graders, "read_synthetic", lambda given, _: given.training_set)
    with pytest.raises(KeyboardInterrupt):
        pixel_graders.grade_pixels(context, context.folder / "graders" / "pixels")
    pixel_graders.grade_pixels(context, context.folder / "graders" / "pixels")
    assert trained == [*names[:3], *names[2:]]
    table = pd.read_parquet(context.folder / "pixels.parquet")
    assert len(table) == len(names) * len(context.split.val.tiles + context.split.test.tiles)
    assert not list(context.folder.rglob("checkpoint.safetensors"))


def test_slide_graders_list_and_read_everything_once(context, monkeypatch):
    read, listed = [], []

    def read_bags(folder, slides):
        read.append(folder.name)
        return [
            bags_of.Bag(
                slide_id=slide.slide_id,
                patient_id=slide.patient_id,
                features=np.array([[0, 1]], np.float32),
                truth=(1, 0, 0, 0),
                primary=0,
            )
            for slide in slides
        ]

    sets = slide_graders.test_sets
    monkeypatch.setattr(slide_graders, "test_sets", lambda c: listed.append(1) or sets(c))
    monkeypatch.setattr(slide_graders, "read_bags", read_bags)
    monkeypatch.setattr(slide_graders, "read_synthetic", lambda given, _: given.training_set)
    monkeypatch.setattr(
        slide_graders, "train_slide_grader", lambda *, net, **_: TransMIL(net, 2).eval()
    )
    folder = context.folder / "graders" / "slides"
    slide_graders.grade_slides(context, folder)
    num = len(slide_configurations(context.run)) * context.run.grade.seeds
    assert len(list(folder.glob("*/scores.parquet"))) == num > 3
    assert len(listed) == 1
    assert len(read) == 1 + len(context.run.synthesis.variants) + 2


def test_a_damaged_table_of_a_pixel_grader_is_one_line(tmp_path):
    part = tmp_path / "pixels.parquet"
    for data in (b"", b"PAR1" + bytes(40) + b"PAR1"):
        part.write_bytes(data)
        with pytest.raises(BadInput, match=r"pixels\.parquet: damaged .*delete it"):
            pixel_graders._join(tmp_path / "all.parquet", [part])
    assert not (tmp_path / "all.parquet").exists()
