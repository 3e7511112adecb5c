"""A whole study at its smallest, on a run of an untrained generator."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from disc.files import BadInput
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.pipeline.doctor import examine_run
from disc.presets import smoke
from disc.records.markers import marked
from disc.study.cells import ROWS
from disc.study.conduct import RECORD, conduct
from disc.study.request import CONTROLS, StudyRequest
from tests.tiny_run import write_tiny_data, write_tiny_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = smoke()
    grade = plain.grade
    few = replace(grade.carcino, optim=replace(grade.carcino.optim, steps=2))
    bags = replace(grade.transmil, optim=replace(grade.transmil.optim, steps=2))
    settings = replace(
        plain,
        synthesis=replace(plain.synthesis, slides_per_grade=3, tiles=(2, 3), variants=("sd",)),
        grade=replace(grade, carcino=few, transmil=bags),
    )
    folder = write_tiny_run(tmp_path_factory.mktemp("run") / "a", settings, ("sd",))
    with marked(folder / "data", "drawn"):
        write_tiny_data(folder)
        draw_set(PhantomRequest(out=folder / "data" / "shifted", core_um=(300, 400), seed=7))
    return folder


def ask(run: Path, out: Path, **changes: object) -> StudyRequest:
    facts = {"balance_weights": (0.3,), "grader_seeds": 1, "pixel_seeds": 1, "draws": 40}
    return StudyRequest(runs=(run,), out=out, **{**facts, **changes})


@pytest.fixture(scope="module")
def study(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "s"
    assert "9 cells of 1 run(s)" in conduct(ask(run, out))
    return out


def test_it_writes_the_two_tables_and_a_page(study: Path) -> None:
    scores, pixels = (pd.read_parquet(study / f"{name}.parquet") for name in ("scores", "pixels"))
    assert {*scores["variant"]} == {"real", "sd", "sd-shuffled", *CONTROLS[:3]}
    assert {*pixels["variant"]} == {"real", "real-again", "sd"}
    assert {*pixels["truth_kind"]} == {"annotation", "exact"}
    page = (study / "report" / "index.html").read_text()
    assert "real-remixed" in page and "simulated tissue" in page
    assert list((study / "report").glob("slides_curves_*.png"))
    assert (study / "report" / "attention_transmil_carcino_sd.png").exists()


def test_a_cell_that_is_done_stays_and_one_that_is_lost_comes_back_alike(
    run: Path, study: Path
) -> None:
    rows = {path: path.read_bytes() for path in study.rglob(ROWS)}
    times = {path: path.stat().st_mtime_ns for path in rows}
    lost = next(path for path in rows if "sd 0.3" in str(path) and "slides" in str(path))
    shutil.rmtree(lost.parent)
    conduct(ask(run, study))
    assert {path: path.read_bytes() for path in study.rglob(ROWS)} == rows
    assert [path for path in rows if path.stat().st_mtime_ns != times[path]] == [lost]


def test_what_was_changed_of_a_finished_study_is_one_line(run: Path, study: Path) -> None:
    assert examine_run(study).is_whole
    cell = next(study.glob("cells/slides/* sd 0.3 */rows.parquet"))
    features = next(study.glob("features/carcino/*/sd g0/*.h5"))
    tile = next(study.glob("synthetic/*/images/*"))
    encoder = next(study.glob("features/carcino/*/encoder/halves.json"))
    drawn = next((run / "data" / "training" / "images").iterdir())
    for path in (cell, features, tile, encoder, drawn):
        kept = path.read_bytes()
        path.write_bytes(bytes([*kept[:-1], kept[-1] ^ 1]))
        with pytest.raises(BadInput, match=rf"{re.escape(path.name)}: damaged .*delete the folder"):
            conduct(ask(run, study))
        path.write_bytes(kept)
    assert "9 cells" in conduct(ask(run, study))


def test_a_study_from_before_files_were_noted_goes_on_and_says_so(
    run: Path, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = shutil.copytree(study, tmp_path / "older")
    for path in (*older.rglob("done.json"), *older.rglob("begun.json")):
        path.unlink()
    rows = {path: path.stat().st_mtime_ns for path in older.rglob(ROWS)}
    conduct(ask(run, older))
    assert {path: path.stat().st_mtime_ns for path in older.rglob(ROWS)} == rows
    said = "folders are from before a study noted hashes of its files"
    assert said in capsys.readouterr().out and said in (older / "report/index.html").read_text()


def test_a_request_that_was_refused_claims_no_folder(run: Path, tmp_path: Path) -> None:
    """A mistyped path of a test set made the corrected command another study's."""
    out = tmp_path / "s"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        conduct(ask(run, out, external={"mine": tmp_path / "nowhere"}))
    with pytest.raises(BadInput, match="sd-disc is not trained"):
        conduct(ask(run, out, variants=("sd-disc",)))
    assert not (out / RECORD).exists()
    external = {"mine": run / "data" / "shifted"}
    few = {"controls": (), "grader_seeds": 0, "external": external}
    assert "2 cells" in conduct(ask(run, out, **few))


def give_features(study: Path, folder: Path) -> str:
    """What the study's own encoder read, as files of another program; the fold."""
    (place,) = (study / "features" / "carcino").glob("*/")
    for name, called in {
        "real": "real",
        "shifted": "shifted",
        "sd g0": f"{place.name} sd g0",
    }.items():
        (folder / called).mkdir(parents=True)
        for path in (place / name).glob("*.h5"):
            shutil.copy(path, folder / called)
    return place.name


def test_features_of_another_program_are_read_like_ours(
    run: Path, study: Path, tmp_path: Path
) -> None:
    give_features(study, mine := tmp_path / "mine")
    request = ask(run, tmp_path / "s", encoders=("files",), feature_files=mine, pixel_seeds=0)
    assert "5 cells" in conduct(request)  # real tiles only, sd, three controls
    given, own = (pd.read_parquet(one / "scores.parquet") for one in (tmp_path / "s", study))
    assert {*given["encoder"]} == {"files"} and "real-remixed" not in {*given["variant"]}
    keys = ["variant", "data_set", "split", "slide", "label"]
    both = given.merge(own, on=keys, suffixes=("", "_own"))
    assert len(both) == len(given) and (both["score"] == both["score_own"]).all()
    # rows of their files need not be the tiles that a picture would show
    assert not list((tmp_path / "s" / "report").glob("attention*"))


def test_features_of_another_program_that_are_missing_or_others_are_one_line(
    run: Path, study: Path, tmp_path: Path
) -> None:
    fold = give_features(study, mine := tmp_path / "mine")
    request = ask(run, tmp_path / "s", encoders=("files",), feature_files=mine, pixel_seeds=0)
    real = next((mine / "real").glob("*.h5"))
    real.rename(tmp_path / real.name)
    said = rf"real/{real.name}: no such file, as of 1 of \d+ slides; encode .* correct --feature"
    with pytest.raises(BadInput, match=said):
        conduct(request)
    assert not (tmp_path / "s" / RECORD).exists()
    (tmp_path / real.name).rename(real)
    made = next((mine / f"{fold} sd g0").glob("*.h5"))
    kept = made.read_bytes()
    made.unlink()
    said = rf"{made.name}: no such file, as of 1 .*tiles of this one: .*/{fold} sd g0/images"
    with pytest.raises(BadInput, match=said):
        conduct(request)
    made.write_bytes(b"no features")
    with pytest.raises(BadInput, match=rf"{made.name}: not a feature file"):
        conduct(request)
    made.write_bytes(kept)  # nothing was begun of files that were refused
    assert "5 cells" in conduct(request)
    shutil.copy(real, mine / "real" / "of another slide.h5")
    real.touch()
    assert "5 cells" in conduct(request)
    shutil.copy(next(path for path in (mine / "real").glob("*.h5") if path != real), real)
    with pytest.raises(BadInput, match=r"features/files/.*/real: made with other weights"):
        conduct(request)


def test_another_study_is_refused(run: Path, study: Path) -> None:
    with pytest.raises(BadInput, match="holds a study with other options"):
        conduct(ask(run, study, seed=1))
