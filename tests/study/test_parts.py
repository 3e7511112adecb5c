"""Parts of a study are noted, and compared when they are read again."""

from pathlib import Path

import pytest

from disc import cli
from disc.files import BadInput
from disc.records.listing import BEGUN, DONE
from disc.records.lock import hold_folder
from disc.records.markers import marked, note_files, read_done
from disc.study import conduct as conducting
from disc.study.conduct import _find_unnoted, conduct
from disc.study.page import tell_unnoted
from disc.study.parts import begin_growing, end_growing, is_kept, made_of
from tests.damage.kept_folders import CELL, ENCODER, FEATURES, SET, _open, write_study


def test_a_part_is_kept_once_it_is_noted_and_refused_once_it_is_changed(tmp_path: Path) -> None:
    place = tmp_path / "cell"
    with pytest.raises(ZeroDivisionError), marked(place, "cell"):
        (place / "rows").write_text("1")
        _ = 1 / 0
    assert not is_kept(place, "rows", "cell"), "it was stopped"
    with marked(place, "cell"):
        (place / "rows").write_text("1")
    assert is_kept(place, "rows", "cell")
    (place / "rows").write_text("2")
    with pytest.raises(BadInput, match=r"cell/rows: damaged \(another hash .*delete the folder"):
        is_kept(place, "rows", "cell")
    for name in (DONE, BEGUN):
        (place / name).unlink()
    assert is_kept(place, "rows", "cell") and not is_kept(place, "other", "cell"), (
        "from before files were noted"
    )


def test_a_folder_that_grows_keeps_what_it_noted(tmp_path: Path) -> None:
    place, key = tmp_path / "features", made_of("weights")
    begin_growing({place: key})
    (place / "a.h5").write_text("a")
    end_growing({place: key})
    noted = read_done(place).files
    begin_growing({place: key})
    (place / "b.h5").write_text("b")
    (place / "a.h5").write_text("b")  # while others are written
    end_growing({place: key})
    assert noted and {*(found := read_done(place).files or {})} == {"a.h5", "b.h5"}
    assert found["a.h5"] == noted["a.h5"]
    with pytest.raises(BadInput, match=r"a\.h5: damaged"):
        begin_growing({place: key})
    (place / "a.h5").write_text("a")
    with pytest.raises(BadInput, match="features: made with other weights"):
        begin_growing({place: made_of("others")})
    # markers of before said the folder's name alone
    note_files(place, "name")
    (place / "c.h5").write_text("c")
    note_files(place, "name")
    begin_growing({place: key})


@pytest.mark.parametrize("is_noted", [True, False])
def test_what_is_not_known_to_be_unchanged_is_said(
    is_noted: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_study(tmp_path, is_noted=is_noted)
    study = _open(folder)
    study.__dict__["variants"], study._tests["Val1"] = ("sd",), []
    found = _find_unnoted(study, [CELL])
    assert found == ([] if is_noted else [f"cells/{CELL.name}", SET, FEATURES, ENCODER])
    said = tell_unnoted(found)
    assert not said if is_noted else "4 folders are from before a study noted hashes" in said[0]
    assert cli.main(["doctor", str(folder)]) == 0
    told = capsys.readouterr().out
    assert ("not recorded when they were written" in told) != is_noted
    rows = folder / "cells" / CELL.name / "rows.parquet"
    rows.write_bytes(rows.read_bytes()[:-1])
    assert cli.main(["doctor", str(folder)]) == 1
    assert f"damaged: cells/{CELL.name}/rows.parquet: " in capsys.readouterr().out


def test_two_at_once_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = _open(write_study(tmp_path, is_noted=True))
    monkeypatch.setattr(conducting, "open_study", lambda _: study)
    with hold_folder(study.folder, print), pytest.raises(BadInput, match="in use by process"):
        conduct(study.request)
