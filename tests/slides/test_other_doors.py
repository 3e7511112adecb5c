"""Grades from features, and the tile classifier for WSInfer."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from disc import cli
from disc.api import Model
from disc.files import BadInput
from disc.labels import Label
from disc.slides.from_features import grade_features
from disc.slides.graders import Examples
from disc.slides.judging.record import read_record
from disc.slides.request import GradeRequest
from tests.slides.graded_run import NUM_FEATURES
from tests.slides.qupath_reader import read_objects


def test_features_are_graded_without_a_slide(
    model: Model, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        features = rng.normal(-2, 0.1, (40, NUM_FEATURES))
        features[:, Label.GG4] = 2
        file["features"] = features.astype(np.float32)
        file["coords"] = (np.arange(80).reshape(40, 2) * 256).astype(np.int64)
        file["coords"].attrs["patch_size_level0"] = 256
    report = model.grade_features([tmp_path / "a.h5"], tmp_path / "out")
    assert not report.failures
    record = read_record(tmp_path / "out" / "a")
    assert record.shares["GG4"].fraction > 0.6 and record.score.primary == 4
    assert record.tissue_mm2 is None and record.map is None
    assert len(read_objects(tmp_path / "out" / "a" / "tiles.geojson.gz")) == 40
    assert "tiles" in record.tell() and "tissue" not in record.tell()
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["features"] = rng.normal(size=(4, 1024)).astype(np.float32)
    words = [
        "grade",
        str(run),
        "--features",
        str(tmp_path / "b.h5"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert cli.main(words) == 1
    assert "1024 features a tile" in capsys.readouterr().out
    (tmp_path / "c.h5").write_bytes(b"no HDF5")
    report = model.grade_features([tmp_path / "c.h5", tmp_path / "none.h5"], tmp_path / "out")
    assert report.failures["c"].endswith("expected HDF5 with features [tiles, D]; write it anew")
    assert report.failures["none"] == f"{tmp_path / 'none.h5'}: no such file; correct its path"
    with pytest.raises(BadInput, match=r"c\.h5: not a folder; give a new one with --out"):
        model.grade_features([tmp_path / "a.h5"], tmp_path / "c.h5")


def test_features_of_benign_tiles_that_hint_at_a_pattern_are_benign(
    model: Model, tmp_path: Path
) -> None:
    features = np.full((40, NUM_FEATURES), -2, np.float32)
    features[:, Label.NC], features[:, Label.GG4] = 0.5, -0.5
    features[:3, Label.GG4] = 1
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"] = features
    grading = model.gradings.of_slides()
    assert grading.calibration.tile_floors is not None
    for floor, grade in ((0.1, 0), (0.05, 4)):
        floors = {"floors": (0, 0, 0), "tile_floors": (0, floor, 0), "cancer_floor": 0.01}
        calibration = replace(grading.calibration, **floors)
        folder = tmp_path / str(floor)
        folder.mkdir()
        record = grade_features(grading.graders, calibration, tmp_path / "a.h5", folder)
        assert record.shares["GG4"].fraction == 3 / 40 and record.score.primary == grade
        assert "small-focus" not in {reason.code for reason in record.abstained}, "of pixels"
    page = (folder / "report.html").read_text()
    assert "There is one network" in page and "Glass, pen" not in page
    assert "share of the tiles reaches" in page and "share of the tissue" not in page


def test_the_tile_classifier_says_the_same_in_torchscript(model: Model, tmp_path: Path) -> None:
    model.export_wsinfer(tmp_path / "carcino")
    config = json.loads((tmp_path / "carcino" / "config.json").read_text())
    assert config["num_classes"] == len(config["class_names"]) == 4
    assert [step["name"] for step in config["transform"]] == ["Resize", "ToTensor", "Normalize"]
    assert config["transform"][0]["arguments"]["size"] == config["patch_size_pixels"]
    grading = model.gradings.of_slides()
    assert isinstance(grading.known, Examples)
    rng, side = np.random.default_rng(0), config["patch_size_pixels"]
    tiles = rng.integers(0, 256, (100, side, side, 3), np.uint8)
    tiles[:50] = grading.known.val.image(0) // 2 + tiles[:50] // 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded = torch.jit.load(str(tmp_path / "carcino" / "torchscript_model.pt"))
    normalise = config["transform"][2]["arguments"]
    mean, std = (torch.tensor(normalise[name])[:, None, None] for name in ("mean", "std"))
    inputs = (torch.from_numpy(tiles).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        found = loaded(inputs).softmax(1)
        net, temperature = grading.graders.pixel[0], grading.calibration.temperature
        means = (net(torch.from_numpy(tiles).permute(0, 3, 1, 2) / 255) / temperature).softmax(1)
    expected = means.mean((2, 3))
    assert torch.equal(found.argmax(1), expected.argmax(1))
    assert torch.allclose(found, expected, atol=1e-4)


def test_what_stands_first_is_a_run_only_where_it_holds_one(run: Path, tmp_path: Path) -> None:
    slide, features = tmp_path / "a.tiff", tmp_path / "a.h5"
    assert GradeRequest(paths=(run, slide)).run == run
    assert GradeRequest(paths=(run, slide)).slides == (slide,)
    assert GradeRequest(paths=(tmp_path, slide)).run is None
    assert GradeRequest(paths=(tmp_path, slide)).slides == (tmp_path, slide)
    assert GradeRequest(paths=(tmp_path,), features=(features,)).run == tmp_path
    for wrong in ({"paths": (run,)}, {"paths": (run, slide), "features": (features,)}, {}):
        with pytest.raises(BadInput, match="give the slides to grade"):
            GradeRequest(**wrong)


def test_a_first_path_that_is_missing_stops_the_command(
    run: Path, slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be a run that is misspelt; the weights that disc ships must not grade the rest."""
    missing, other, out = tmp_path / "typo", tmp_path / "none.tiff", tmp_path / "out"
    for rest in ([slide], [other, slide], [slide.parent], [run, slide]):
        words = ["grade", *map(str, (missing, *rest)), "--out", str(out), "--passes", "1"]
        assert cli.main(words) == 2
        told = capsys.readouterr()
        assert told.err.count("\n") == 1 and not told.out and not out.exists()
        assert f"{missing}: not found, so neither a run nor a slide; correct its path" in told.err
    for there in (slide, slide.parent, run):
        assert (GradeRequest(paths=(there, other, slide)).run == run) == (there == run)
    assert GradeRequest(paths=(missing, other)).slides == (missing, other)
