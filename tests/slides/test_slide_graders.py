"""Slide graders alone, on the features of another encoder than the embedded one."""

import csv
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import disc
from disc import cli
from disc.api import Model
from disc.files import BadInput
from disc.grade.features import read_features, write_features
from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.heads import isup_shares, likeliest_score, score_shares
from disc.grade.mil.pooling import MeanPool
from disc.grade.transmil import TransMIL
from disc.labels import Label, isup_group, slide_label
from disc.model.store import load_weights, save_weights
from disc.pipeline.config_file import to_json
from disc.pipeline.context import Context
from disc.pipeline.stages.features import make_features
from disc.pipeline.stages.slide_graders import grade_slides
from disc.pipeline.weights import graders as opening
from disc.presets import smoke
from disc.settings.grading import Head
from disc.settings.training import Optim
from disc.slides.from_slide_graders import SlideGrading
from disc.slides.judging.record import NAME, read_record
from disc.slides.judging.slide_verdict import judge_features, score_labels
from tests.slides.graded_run import write_graded_run

WIDTH = 12
SCORES = [(0, 0), (3, 3), (3, 4), (4, 3), (4, 4), (4, 5), (5, 5)]


def write_bag(path: Path, score: tuple[int, int], seed: int, far: float = 0) -> None:
    """Tiles that show the slide's labels in features 0 to 3, and steps up to its grades in 4 to 9.

    A fixed function of the score, so that weights that read it can be written down.
    """
    rng = np.random.default_rng(seed)
    shown = [*slide_label(*score), *(grade >= step for grade in score for step in (3, 4, 5))]
    features = rng.normal(far, 0.5, (30, WIDTH)).astype(np.float32)
    features[:, : len(shown)] += 4 * np.array(shown, np.float32)
    write_features(path, features, rng.integers(0, 9999, (30, 2)), 256, level0_px=512)


def write_run(folder: Path, head: Head, sources: Path) -> Model:
    """A run as its stages leave it, with weights of two seeds that read such bags."""
    write_graded_run(folder)
    shutil.copytree(folder / "data" / "training", folder / "data" / "shifted")
    run = smoke()
    grade = replace(
        run.grade,
        encoders=("carcino", "files"),
        feature_files=sources,
        seeds=2,
        slide_graders=("mean",),
        transmil=replace(run.grade.transmil, optim=Optim(steps=1, batch=2), head=head),
    )
    synthesis = replace(run.synthesis, variants=())
    run = replace(run, grade=grade, synthesis=synthesis)
    (folder / "config.json").write_bytes(to_json(run))
    context = Context(run, folder)
    for number, slide in enumerate(context.read(context.root).slides.values()):
        assert slide.primary is not None and slide.secondary is not None
        score = slide.primary, slide.secondary
        for place in ("real", "shifted"):
            write_bag(sources / place / f"{slide.slide_id}.h5", score, number)
    make_features(context, "files", folder / "features" / "files")
    only = replace(run, grade=replace(grade, encoders=("files",)))
    grade_slides(Context(only, folder), folder / "graders" / "slides")
    for path in (folder / "graders" / "slides").rglob("mean.safetensors"):
        net = MeanPool(grade.transmil, WIDTH)
        load_weights(path, net)
        set_by_hand(net)
        save_weights(path, net)
    return disc.load(folder)


@torch.no_grad()
def set_by_hand(net: MeanPool) -> None:
    """Read each output from the feature that shows it."""
    net.mean.zero_()
    net.std.fill_(1)
    for layer, scale, offset in ((net.enter[0], 1, -1), (net.head, 4, -6)):
        layer.weight.zero_()
        layer.weight.fill_diagonal_(scale)
        layer.bias.fill_(offset)


@pytest.fixture(scope="module", params=["sigmoids", "ordinal"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp(request.param)
    return write_run(folder / "run", request.param, folder / "sources")


def test_labels_and_order_as_far_as_the_head_tells(model: Model, tmp_path: Path) -> None:
    files = [tmp_path / f"{primary}{secondary}.h5" for primary, secondary in SCORES]
    for number, (path, score) in enumerate(zip(files, SCORES, strict=True)):
        write_bag(path, score, 100 + number)
    report = model.grade_features(files, tmp_path / "out", encoder="files")
    assert not report.failures
    records = [read_record(tmp_path / "out" / path.stem) for path in files]
    told = [record.tell() for record in records]
    for score, record in zip(SCORES, records, strict=True):
        seen = tuple(int(each.is_present) for each in record.cross_check.values())
        assert seen == slide_label(*score), (told, score)
        assert record.basis == "slide graders" and not record.shares and record.map is None
        assert record.distance is not None and record.distance_threshold is not None
        assert record.distance < record.distance_threshold
        assert not record.abstained, told
    is_ordinal = records[0].slide_group is not None
    for score, record in zip(SCORES, records, strict=True):
        said = record.score.primary, record.score.secondary
        if not is_ordinal:
            assert said == (score if score[0] == score[1] else (None, None))
        else:
            assert said == score and set(record.opinions.values()) == {isup_group(*score)}
            assert [*record.opinions] == ["seed 0", "seed 1"]
    assert is_ordinal or (records[2].score.isup, records[5].score.isup) == (None, 5)
    page = (tmp_path / "out" / files[2].stem / "report.html").read_text()
    said = "Gleason 3+4, ISUP grade group 2"
    said = said if is_ordinal else "GG3 and GG4, which of them is primary is open"
    assert f'<p class="said">{said}</p>' in page
    assert "None" not in page and "Extent" not in page and "no interval" in page
    with (tmp_path / "out" / "33" / "attention.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 and {row["width"] for row in rows} == {"512"}
    assert sum(float(row["attention"]) for row in rows) == pytest.approx(1, abs=1e-4)
    again = model.grade_features(files, tmp_path / "out", encoder="files")
    assert len(again.before) == len(SCORES)


def test_features_far_from_the_training_tiles_are_not_graded(model: Model, tmp_path: Path) -> None:
    write_bag(tmp_path / "far.h5", (4, 4), 0, far=30)
    model.grade_features([tmp_path / "far.h5"], tmp_path / "out", encoder="files")
    record = read_record(tmp_path / "out" / "far")
    assert "unlike-training" in {reason.code for reason in record.abstained}
    assert "No grade" in (tmp_path / "out" / "far" / "report.html").read_text()


def test_graders_that_contradict_each_other_or_themselves(model: Model, tmp_path: Path) -> None:
    write_bag(tmp_path / "a.h5", (3, 4), 0)
    grading = model.gradings.of_features("real", "files")
    assert isinstance(grading, SlideGrading)
    features, calibration = read_features(tmp_path / "a.h5"), grading.calibration
    good, other = grading.graders.nets[0], deepcopy(grading.graders.nets[0])
    assert isinstance(other, MeanPool)
    is_ordinal = len(other.head.bias) > 4

    def told(*nets: BagGrader) -> dict[str, str]:
        verdict = judge_features(features, nets, calibration)
        return {reason.code: reason.text for reason in verdict.abstained}

    assert not told(good, good)
    with torch.no_grad():
        other.head.bias[:] = -20
        other.head.weight[:] = 0
    found = told(good, other)
    assert "unstable" in found and "do not say the same: " in found["unstable"]
    with torch.no_grad():
        other.head.bias[0] = 20
        other.head.bias[4:] = 20
        other.head.bias[1] = -20 if is_ordinal else 20
    found = told(other)
    assert [*found] == ["disagreement" if is_ordinal else "unclear"]
    if is_ordinal:  # GG5 beside Non-Cancer, and by the head 5+5
        with torch.no_grad():
            other.head.bias[3] = 20
        assert told(other)["disagreement"].endswith("NC, GG5; the ordinal head's primary is GG5")
        with torch.no_grad():
            other.head.bias[3] = -20
        found = told(other)
    said = "NC; the ordinal head's primary is GG5" if is_ordinal else "NC, GG3; no score"
    assert found.popitem()[1] == f"labels that reach their thresholds: {said}"


def test_what_does_not_fit_is_one_line(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "a.h5", tmp_path / "out"
    write_features(path, np.ones((3, 5), np.float32), np.zeros((3, 2)), 64)
    run = str(model.weights.folder)
    words = ["grade", run, "--features", str(path), "--out", str(out)]
    assert cli.main(words) == 2
    assert "say with --encoder whose features these are: carcino, files" in capsys.readouterr().err
    assert cli.main([*words, "--encoder", "uni"]) == 2
    assert "no slide graders on uni; it has them on carcino, files" in capsys.readouterr().err
    assert cli.main([*words, "--encoder", "files", "--grader", "sd 0.3"]) == 2
    assert "no slide graders 'sd 0.3' on files in it; it has real" in capsys.readouterr().err
    assert not out.exists()
    assert cli.main([*words, "--encoder", "files"]) == 1
    assert "5 features a tile; the slide graders" in capsys.readouterr().out
    assert not (out / "a" / NAME).exists()
    slides = ["grade", run, str(tmp_path), "--encoder", "files"]
    assert cli.main(slides) == 2
    assert "--encoder says whose features --features are" in capsys.readouterr().err
    with pytest.raises(BadInput, match=r"no slide graders on files; it has them on carcino"):
        disc.load().grade_features([path], out, encoder="files")


class SmallEncoder(torch.nn.Module):
    """In place of a public one: the mean colour, six times."""

    encoder = SimpleNamespace(width=WIDTH)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return tiles.mean((2, 3)).repeat(1, 4)


def test_slides_are_held_against_graders_on_a_public_encoder(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_graded_run(tmp_path / "run")
    shutil.rmtree(folder / "features" / "carcino")
    run = smoke()
    grade = replace(run.grade, encoders=("files", "lunit-dino"), feature_files=tmp_path)
    (folder / "config.json").write_bytes(to_json(replace(run, grade=grade)))
    place = folder / "graders" / "slides" / "transmil on lunit-dino" / "real seed 0"
    save_weights(place / "transmil.safetensors", TransMIL(grade.transmil, WIDTH))
    with pytest.raises(BadInput, match=r"lunit-dino.* or start disc grade in the folder in which"):
        disc.load(folder).grade(slide, passes=1)
    disc.load(folder).export_wsinfer(tmp_path / "wsinfer")  # which reads no slide
    weights = tmp_path / "lunit-dino.pt"
    weights.write_bytes(b"weights")
    monkeypatch.setattr(opening, "require_weights", lambda *_: weights)
    monkeypatch.setattr(opening, "load_encoder", lambda *_: SmallEncoder())
    record = disc.load(folder).grade(slide, tmp_path / "out", passes=1)
    assert [*record.cross_check] == ["NC", "GG3", "GG4", "GG5"]
    assert [*record.opinions] == ["seed 0"]
    assert "graders/slides/transmil on lunit-dino/real seed 0/transmil.safetensors" in (
        record.source.weights
    )
    assert record.source.weights["lunit-dino"], "another file of that name is another grader"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Cross-check by the slide grader" in page
    assert "most attention of the slide grader" in page


@pytest.mark.parametrize(
    ("labels", "score"),
    [
        ([Label.NC], (0, 0, 0)),
        ([Label.GG4], (4, 4, 4)),
        ([Label.GG3, Label.GG4], (None, None, None)),
        ([Label.GG3, Label.GG5], (None, None, 4)),
        ([], (None, None, None)),
        ([Label.NC, Label.GG3], (None, None, None)),
        ([Label.GG3, Label.GG4, Label.GG5], (None, None, None)),
    ],
)
def test_scores_of_labels(labels: list[Label], score: tuple[int | None, ...]) -> None:
    found = score_labels(labels)
    assert (found.primary, found.secondary, found.isup) == score


def test_the_likeliest_score_is_one_of_the_likeliest_group() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (200, 6))
    shares = score_shares(logits)
    np.testing.assert_allclose(shares.sum((1, 2)), 1)
    assert not shares[:, 0, 1:].any() and not shares[:, 1:, 0].any()
    for each, group in zip(shares, isup_shares(logits).argmax(1), strict=True):
        assert isup_group(*likeliest_score(each)) == group
