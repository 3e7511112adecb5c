"""A whole study at its smallest, on a run of an untrained generator."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from disc.files import BadInput
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.presets import smoke
from disc.study.cells import ROWS
from disc.study.conduct import conduct
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
    lost.unlink()
    conduct(ask(run, study))
    assert {path: path.read_bytes() for path in study.rglob(ROWS)} == rows
    assert [path for path in rows if path.stat().st_mtime_ns != times[path]] == [lost]


def test_another_study_is_refused(run: Path, study: Path) -> None:
    with pytest.raises(BadInput, match="holds a study with other options"):
        conduct(ask(run, study, seed=1))
