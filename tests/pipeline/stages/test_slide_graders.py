"""Features and slide graders of every kind, as stages run them."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from disc.evaluate.graders.slides import kappa_tables
from disc.files import BadInput
from disc.grade.features import write_features
from disc.pipeline.context import Context
from disc.pipeline.stages.features import make_features
from disc.pipeline.stages.slide_graders import ATTENTION, grade_slides, list_attention
from disc.presets import smoke
from disc.settings.training import Optim
from tests.tiny_run import write_tiny_data, write_tiny_run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = write_tiny_data(write_tiny_run(tmp_path_factory.mktemp("run"), variants=()))
    shutil.copytree(folder / "data" / "training", folder / "data" / "shifted")
    return folder


def context_of(root, **grade) -> Context:
    run = smoke()
    optim = Optim(steps=2, batch=4)
    settings = replace(
        run.grade,
        carcino=replace(run.grade.carcino, optim=replace(optim, steps=1)),
        transmil=replace(run.grade.transmil, optim=optim, head="ordinal"),
        **grade,
    )
    return Context(
        replace(run, grade=settings, synthesis=replace(run.synthesis, variants=())), root
    )


def test_features_of_other_programs_and_several_graders(root, tmp_path) -> None:
    context = context_of(
        root,
        encoders=("files",),
        feature_files=tmp_path,
        slide_graders=("transmil", "abmil", "nystrom-0.0.9"),
    )
    rng = np.random.default_rng(0)
    slides = context.read(context.root).slides
    for slide_id in slides:
        for place in ("real", "shifted"):
            features = rng.normal(size=(7, 5)).astype(np.float32)
            coords = rng.integers(0, 999, (7, 2))
            write_features(tmp_path / place / f"{slide_id}.h5", features, coords, 64)
    features = root / "features" / "files"
    assert make_features(context, "files", features).endswith("slides")
    folder = root / "graders" / "slides"
    assert grade_slides(context, folder) == "1 configurations, 1 seeds"
    scores = pd.read_parquet(root / "scores.parquet")
    assert set(scores["grader"]) == {"transmil", "abmil", "nystrom-0.0.9"}
    assert set(scores["encoder"]) == {"files"}
    assert kappa_tables(scores, draws=20, seed=0)[0]["value"].notna().any()
    for grader in ("transmil", "abmil"):
        place = folder / f"{grader} on files" / "real seed 0"
        attention = pd.read_parquet(place / ATTENTION)
        sums = attention.groupby(["data_set", "split", "slide"])["attention"].sum()
        np.testing.assert_allclose(sums, 1, atol=1e-5)
        assert (place / f"{grader}.safetensors").exists()
    shutil.rmtree(features)
    name = next(iter(slides))
    write_features(tmp_path / "real" / f"{name}.h5", np.ones((7, 4)), coords, 64)
    with pytest.raises(BadInput, match="give the features of one encoder"):
        make_features(context, "files", features)
    (tmp_path / "real" / f"{name}.h5").unlink()
    with pytest.raises(FileNotFoundError, match=name):
        make_features(context, "files", features)


@pytest.mark.slow
def test_mixed_supervision_is_trained_on_superpixels_beside_the_default(root) -> None:
    context = context_of(root, slide_graders=("transmil", "mixed-supervision"))
    features = root / "features" / "carcino"
    make_features(context, "carcino", features)
    folder = root / "graders" / "slides"
    grade_slides(context, folder)
    (sheet,) = list_attention(context)
    assert sheet.name == "transmil_carcino_real"
    shown = [len(tiles) for _, tiles in sheet.slides]
    counts = sheet.table.groupby("slide").size()
    assert shown == [counts[name] for name, _ in sheet.slides] and len(shown) == 4
    assert (folder / "real seed 0" / "transmil.safetensors").exists()
    place = folder / "mixed-supervision on carcino" / "real seed 0"
    assert (place / "mixed-supervision.safetensors").exists()
    scores = pd.read_parquet(root / "scores.parquet")
    assert set(scores["grader"]) == {"transmil", "mixed-supervision"}
    counts = scores.groupby("grader").size()
    assert counts.nunique() == 1


def test_weights_of_a_public_encoder_that_are_not_there_are_asked_for(root, tmp_path) -> None:
    context = context_of(root, encoders=("lunit-dino",), encoder_weights=tmp_path)
    with pytest.raises(BadInput, match=r"lunit-dino.*no commercial use"):
        make_features(context, "lunit-dino", root / "features" / "lunit-dino")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoders": ()}, "grade.encoders: name at least one"),
        ({"slide_graders": ("mean", "mean")}, "none twice"),
        ({"encoders": ("files",)}, "need each other"),
    ],
)
def test_graders_that_cannot_be_are_refused(changes, words) -> None:
    with pytest.raises(ValueError, match=words):
        replace(smoke().grade, **changes)
