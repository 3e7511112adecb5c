"""Patients never cross splits, and no generator saw a test patient."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from disc.data.tiles.names import join_ids, split_ids
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.evaluate.graders.folds import POOLED
from disc.files import BadInput
from disc.pipeline.context import Context
from disc.presets import smoke
from disc.study.cells import ATTENTION, PICTURES, ROWS
from disc.study.conduct import RECORD, _describe, _rows, conduct, join
from disc.study.grid import real_cell
from disc.study.page import _attention, _pictures
from disc.study.request import StudyRequest
from disc.study.runs import StudyRun, _check_grid, check_generator, check_patients
from disc.study.study import Study


def tiles(*patients: str) -> TileSet:
    slides = {f"s{name}": Slide(slide_id=f"s{name}", patient_id=name) for name in patients}
    return TileSet(slides=slides, tiles=(), tile_px=32)


def test_a_patient_in_two_parts_stops_the_study() -> None:
    check_patients(tiles("p1", "p2"), [("in", "test", tiles("p3")), ("other", "test", tiles("p1"))])
    with pytest.raises(BadInput, match="p2 are learned from and in val"):
        check_patients(tiles("p1", "p2"), [("in", "val", tiles("p2", "p3"))])


def test_a_generator_that_saw_a_test_patient_stops_the_study_with_the_names(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    rows = pd.DataFrame({"tile": ["a", "b", "c"], "training_slides": ["s1 s2", "s1 s2", "s1 s9b"]})
    rows.to_parquet(path)
    patients = {"s1": "p1", "s2": "p2", "s9": "p9", "s9b": "p9"}
    check_generator(tmp_path, patients, tiles("p3"))
    with pytest.raises(BadInput, match=r"1 synthetic tile\(s\) whose generator saw .* p9;"):
        check_generator(tmp_path, patients, tiles("p9", "p3"))
    with pytest.raises(BadInput, match=r"3 synthetic tile\(s\) .* p1, p9;"):
        check_generator(tmp_path, patients, tiles("p1", "p9"))
    rows.drop(columns="training_slides").to_parquet(path)
    with pytest.raises(
        BadInput, match=r"no column training_slides.*must say what its generator saw"
    ):
        check_generator(tmp_path, patients, tiles("p3"))


def test_validation_slides_of_all_folds_are_joined_out_of_fold() -> None:
    def part(fold: str, slides: list[str]) -> pd.DataFrame:
        val = pd.DataFrame({"slide": slides, "split": "val"})
        test = pd.DataFrame({"slide": ["t"], "split": "test"})
        return pd.concat([val, test]).assign(fold=fold)

    one = part("Val1", ["a", "b"])
    assert POOLED not in {*join([one])["split"]}
    table = join([one, part("Val2", ["c"])])
    pooled = table[table["split"] == POOLED]
    assert sorted(pooled["slide"]) == ["a", "b", "c"] and {*pooled["fold"]} == {"all"}
    assert (table["split"] == "test").sum() == 2


def test_every_fold_has_a_run_of_each_condition_and_seed() -> None:
    """Else a variant would be averaged over other folds than the graders of real tiles."""

    def run(fold: str, condition: str = "", seed: int = 0) -> StudyRun:
        denoiser = SimpleNamespace(condition=condition or "hybrid")
        settings = SimpleNamespace(data=SimpleNamespace(fold=fold), seed=seed, denoiser=denoiser)
        return StudyRun(SimpleNamespace(run=settings, folder=Path(fold)), condition)  # type: ignore[arg-type]

    _check_grid([run("Val1"), run("Val1", "layout"), run("Val1", seed=1)])
    _check_grid([run("Val1"), run("Val2"), run("Val1", "layout", 3), run("Val2", "layout", 3)])
    for last, words in (
        (run("Val2", "layout"), "no run of fold Val2, seed 0 and condition hybrid"),
        (run("Val2", seed=1), "no run of fold Val1, seed 1"),
    ):
        with pytest.raises(BadInput, match=words):
            _check_grid([run("Val1"), last])
    with pytest.raises(BadInput, match="no run of fold Val2, seed 0 and condition layout"):
        _check_grid([run("Val1"), run("Val2"), run("Val1", "layout")])


def test_ids_with_blanks_are_known_again(tmp_path: Path) -> None:
    rows = {"tile": ["a"], "training_slides": [join_ids(["case 1", "case 2"])]}
    pd.DataFrame(rows).to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(BadInput, match=r"1 synthetic tile\(s\) .* p2;"):
        check_generator(tmp_path, {"case 1": "p1", "case 2": "p2"}, tiles("p2"))
    for ids in (["a", "b"], ["[a", "b"], ["a b"], [], ["a\u00a0b", '"']):
        assert split_ids(join_ids(ids), tmp_path) == ids
    with pytest.raises(BadInput, match=r"m.parquet: ids of slides '\[\"a\"'; expected ids with"):
        split_ids('["a"', Path("m.parquet"))


def test_a_manifest_of_other_slides_is_refused(tmp_path: Path) -> None:
    """As those that joined ids with blanks by blanks: nobody could tell what was seen."""
    rows = {"tile": ["a"], "training_slides": ["case 1 case 2"]}
    pd.DataFrame(rows).to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(BadInput, match=r"names 4 slide\(s\) that the runs' data lack, first case;"):
        check_generator(tmp_path, {"case 1": "p1", "case 2": "p2"}, tiles("p2"))


def test_an_external_set_that_holds_training_tiles_is_refused(tmp_path: Path) -> None:
    def tile_set(folder: str, content: bytes) -> TileSet:
        image = tmp_path / folder / "a.jpg"
        image.parent.mkdir()
        image.write_bytes(content)
        tile = Tile(name=folder, slide_id="sp1", image=image, mask=None, x=0, y=0)
        return replace(tiles("p1"), tiles=(tile,))

    train = tile_set("train", b"1")
    check_patients(train, [("panda", "test", tile_set("other", b"2"))])
    with pytest.raises(BadInput, match=r"1 tile\(s\) of panda are learned from, first same; give"):
        check_patients(train, [("panda", "test", tile_set("same", b"1"))])


@pytest.mark.parametrize("text", ["[1]", "{}", '{"runs": "a"}', "{"])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    study = Study(StudyRequest(runs=(tmp_path,), out=tmp_path))
    study.__dict__["runs"] = [StudyRun(Context(smoke(), tmp_path))]
    with pytest.raises(BadInput, match="damaged"):
        _describe(study)


def test_an_encoder_without_weights_is_said_before_any_work(tmp_path: Path) -> None:
    out = tmp_path / "study"
    request = StudyRequest(
        runs=(tmp_path / "run",), out=out, encoders=("uni",), encoder_weights=tmp_path
    )
    with pytest.raises(BadInput, match=r"no weights of uni .*, or name .* --encoder-weights$"):
        conduct(request)
    assert not out.exists()


@pytest.mark.parametrize("text", [b"", b"PAR1", b"PAR1" + bytes(40) + b"PAR1", None])
def test_what_is_damaged_of_a_cell_is_one_line_with_what_to_delete(
    tmp_path: Path, text: bytes | None
) -> None:
    cell = replace(real_cell("carcino", "Val1"), kind="pixels")
    study = Study(StudyRequest(runs=(tmp_path,), out=tmp_path))
    study.__dict__["runs"] = [StudyRun(Context(smoke(), tmp_path))]
    place = study.place(cell)
    place.mkdir(parents=True)
    readers = {
        ROWS: lambda: _rows(study, cell),
        PICTURES: lambda: _pictures(study, [cell]),
        ATTENTION: lambda: _attention(study, [cell]),
    }
    split = SimpleNamespace(test=tiles("p"))
    study.runs[0].context.__dict__["split"] = split
    for name, read in readers.items():
        path = place / name
        if text is None:
            os.mkfifo(path)
        else:
            path.write_bytes(text)
        with pytest.raises(BadInput, match=f"{name}: ") as caught:
            read()
        said = str(caught.value)
        assert text is None or f"delete the folder {place}: the same command makes" in said
