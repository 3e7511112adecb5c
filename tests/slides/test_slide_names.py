"""What the folders of graded slides are called, and what lies beside slides."""

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from disc.files import BadInput
from disc.slides.grade_slides import GradeReport, find_slides, grade_files
from disc.slides.judging.record import GradeRecord
from disc.slides.make_record import describe_source


def test_what_lies_beside_slides_is_told(tmp_path: Path) -> None:
    for name in ("a.tiff", "a_mask.tiff"):
        (tmp_path / name).touch()
    (tmp_path / "b.qptiff").touch()
    slides, notes = find_slides([tmp_path])
    assert slides == [tmp_path / "a.tiff"] and "1 .qptiff (b.qptiff)" in notes[0]
    assert notes[1].endswith("called like masks (..._mask), so no slides: a_mask.tiff")
    assert str(replace(GradeReport(), notes=notes)).startswith(notes[0])


def test_folders_are_called_as_qupath_calls_slides(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.ome.tiff", "b.svs", "c.tiff", "c.svs")]

    def grade(path: Path, folder: Path) -> GradeRecord:
        raise BadInput(f"{path.name}: damaged")

    odd = tmp_path / os.fsdecode(b"d\xff\x01.svs")
    for path in (*paths, odd):
        path.touch()
    report = grade_files([odd], tmp_path / "odd", "key", grade)
    assert report.failures == {
        "d%dcff%1": "d%dcff%1.svs: its name cannot be written; rename the file"
    }
    found = list(grade_files(paths, tmp_path / "out", "key", grade).failures)
    assert found == ["a", "b", "c.tiff", "c.svs"]


def test_slides_of_one_name_fail_with_their_paths_and_the_others_go_on(tmp_path: Path) -> None:
    """Nothing was graded, and the paths were not told."""
    names = ["a/1.tiff", "b/1.tiff", "b/2.tiff", "failed.svs", "1 (1).tiff", "1.tiff (1).svs"]
    paths = [tmp_path / "slides" / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    seen = []

    def grade(path: Path, folder: Path) -> GradeRecord:
        seen.append(str(path.relative_to(tmp_path / "slides")))
        raise BadInput(f"{path.name}: damaged")

    report = grade_files(paths, tmp_path / "out", "key", grade)
    assert seen == ["b/2.tiff", "1 (1).tiff", "1.tiff (1).svs"]
    first, second = paths[:2]
    assert report.failures["1.tiff (2)"] == f"{first}: has the same name as {second}; rename one"
    assert report.failures["1.tiff (3)"] == f"{second}: has the same name as {first}; rename one"
    assert report.failures["failed (1)"] == f"{paths[3]}: has a name that is taken; rename one"
    told = json.loads((tmp_path / "out/failed/1.tiff (2)/failed.json").read_text())
    assert told["reason"] == report.failures["1.tiff (2)"] and len(report.failures) == 6


def test_a_record_calls_a_slide_as_tables_and_masks_do(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    path.touch()
    graders = SimpleNamespace(folder=tmp_path, name="real", hashes={})
    assert describe_source(graders, path, 0.5).slide == "a"  # type: ignore[arg-type]
