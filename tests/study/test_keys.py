"""Parts of a study that were made from something else than today are refused by name."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from disc.files import BadInput, digest, write_bytes
from disc.pipeline.stage_list import grading_stages
from disc.records.listing import DONE, list_files
from disc.records.markers import Done, marked, read_done, result_key, write_done
from disc.study import conduct as conducting
from disc.study import keys
from disc.study.cells import ROWS, run_cell
from disc.study.encoding import Piece, _list_keys
from disc.study.generating import _is_made
from disc.study.keys import cell_key, data_key, set_key
from disc.study.parts import begin_growing, end_growing
from disc.study.study import Study
from tests.damage.kept_folders import CELL, ENCODER, FEATURES, _open, write_study

ADDED = replace(CELL, variant="sd", source="sd", balance_weight=0.3)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    found = _open(write_study(tmp_path, is_noted=True))
    found.__dict__["variants"] = ("sd",)
    return found


def finish(
    folder: Path, config: str = "settings", inputs: dict[str, str] | None = None, text: str = "a"
) -> None:
    """A stage that is done, as `disc run` leaves it."""
    write_bytes(folder / "x", text.encode())
    files = list_files(folder)
    write_done(folder, Done(config=config, inputs=inputs or {}, seconds=0.0, files=files))


def resample(study: Study, steps: int) -> None:
    """Let the settings of the run say another solver."""
    context = study.runs[0].context
    sample = replace(context.run.sample, solver=replace(context.run.sample.solver, steps=steps))
    context.run = replace(context.run, sample=sample)


@pytest.mark.parametrize("is_done", [True, False])
def test_a_set_by_other_weights_or_another_solver_is_refused(study: Study, is_done: bool) -> None:
    run = study.runs[0]
    finish(trained := run.context.folder / "denoiser" / "sd")
    root, key = study.synthetic_root(run, "sd"), set_key(run, "sd")
    with marked(root, key):
        (root / "manifest.parquet").touch()
    if not is_done:
        (root / DONE).unlink()
    assert _is_made(study, run, "sd") == is_done
    steps = run.context.run.sample.solver.steps
    resample(study, steps + 1)
    with pytest.raises(BadInput, match=r"sd g0: made with other .*delete the folder"):
        _is_made(study, run, "sd")
    resample(study, steps)
    assert _is_made(study, run, "sd") == is_done
    finish(trained, text="trained anew", config="other")
    with pytest.raises(BadInput, match="sd g0: made with other weights"):
        _is_made(study, run, "sd")


def test_a_set_of_a_run_that_it_would_make_otherwise_today_is_refused(study: Study) -> None:
    shutil.rmtree(study.folder / "synthetic", ignore_errors=True)
    run = study.runs[0]
    folder = run.context.folder
    stage = next(one for one in grading_stages(run.context) if one.name == "synthetic/sd")
    for name in stage.needs:
        finish(folder / name)
    needs = {name: result_key(folder / name) for name in stage.needs}
    finish(folder / stage.name, digest(stage.settings), needs)
    assert _is_made(study, run, "sd")
    resample(study, run.context.run.sample.solver.steps + 1)
    with pytest.raises(BadInput, match=r"synthetic/sd: not what .* today \(its configuration ch"):
        _is_made(study, run, "sd")
    synthesis = replace(run.context.run.synthesis, variants=("sd-sc",))
    run.context.run = replace(run.context.run, synthesis=synthesis)
    with pytest.raises(BadInput, match="synthetic/sd: its run generates no sd today"):
        _is_made(study, run, "sd")


def test_what_a_study_made_it_keeps_also_when_its_run_makes_it(study: Study) -> None:
    run = study.runs[0]
    root, encoder = study.synthetic_root(run, "sd"), study.embedded_encoder("Val1")
    assert (root / DONE).exists() and (encoder / DONE).exists()
    finish(run.context.folder / "synthetic" / "sd")
    finish(run.context.folder / "features" / "carcino")
    assert study.synthetic_root(run, "sd") == root
    assert study.embedded_encoder("Val1") == encoder


def test_the_same_tiles_drawn_again_are_the_same(study: Study) -> None:
    context = study.runs[0].context
    finish(data := context.folder / "data")
    key = data_key(context)
    write_done(data, replace(read_done(data), seconds=9.0, finished=5))
    assert data_key(context) == key
    finish(data, text="others")
    assert data_key(context) != key


def test_an_external_set_cut_again_is_another(study: Study, tmp_path: Path) -> None:
    write_bytes(tmp_path / "set" / "a.png", b"a")
    found = {}
    for um, size in ((0.5, 1), (0.25, 1), (0.5, 2)):
        write_bytes(tmp_path / "set" / "a.png", b"a" * size)
        request = replace(
            study.request, external={"x": tmp_path / "set"}, external_um_per_px={"x": um}
        )
        keys._external_key.cache_clear()
        found[um, size] = keys.external_key(replace(study, request=request), "x")
    assert len(set(found.values())) == 3


def test_features_and_cells_of_another_set_are_refused(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(study.folder / "synthetic", ignore_errors=True)
    run = study.runs[0]
    finish(own := run.context.folder / "synthetic" / "sd")
    finish(data := run.context.folder / "data")
    piece = Piece(encoder="carcino", fold="Val1", name=study.synthetic_name(run, "sd"))
    real = replace(piece, name="real")
    shutil.rmtree(study.folder / FEATURES)
    begin_growing(given := _list_keys(study, [piece, real]))
    for place in given:
        place.mkdir(parents=True, exist_ok=True)
        (place / "a.h5").touch()
    end_growing(given)
    for cell in (CELL, ADDED):
        with marked(study.place(cell), cell_key(study, cell)):
            (study.place(cell) / ROWS).touch()
    monkeypatch.setattr("disc.study.cells.open_study", lambda _: study)
    finish(own, text="a", config="made again alike")
    assert run_cell(study.request, ADDED) == ADDED and given == _list_keys(study, [piece, real])

    finish(own, text="made anew")
    with pytest.raises(BadInput, match="carcino/Val1/sd g0: made with other weights, tiles"):
        begin_growing(_list_keys(study, [piece]))
    with pytest.raises(BadInput, match=r"sd 0\.3 g0 s0: made with other weights, tiles"):
        run_cell(study.request, ADDED)
    assert run_cell(study.request, CELL) == CELL, "it reads real tiles alone"

    finish(data, text="drawn anew", config="other")
    with pytest.raises(BadInput, match=r"cells/.*, and 1 more of 2 such folders: made with other"):
        conducting._do_cells(study, [CELL, ADDED])
    with pytest.raises(BadInput, match="Val1/real: made with other weights, tiles"):
        begin_growing(_list_keys(study, [real]))


@pytest.mark.parametrize("name", ["half0.safetensors", "half1.safetensors", "halves.json"])
def test_features_of_two_embedded_encoders_do_not_mix(study: Study, name: str) -> None:
    place = study.folder / ENCODER
    piece = Piece(encoder="carcino", fold="Val1", name="external")
    begin_growing(given := _list_keys(study, [piece]))
    (folder := next(iter(given))).mkdir(parents=True, exist_ok=True)
    (folder / "a.h5").touch()
    end_growing(given)
    (place / "half_old.safetensors").write_bytes(b"a stray, which is no part of it")
    begin_growing(_list_keys(study, [piece]))
    (place / name).write_bytes(b"another")
    with pytest.raises(BadInput, match="external: made with other weights"):
        begin_growing(_list_keys(study, [piece]))


def test_a_foreign_folder_is_left_as_it_is(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in ("notes", ".x.tmp"):
        (foreign / name).touch()
    other = replace(study, request=replace(study.request, out=foreign))
    monkeypatch.setattr(conducting, "open_study", lambda _: other)
    with pytest.raises(BadInput, match=r"foreign: holds files but no study\.json"):
        conducting.conduct(other.request)
    assert {path.name for path in foreign.iterdir()} == {"notes", ".x.tmp"}
