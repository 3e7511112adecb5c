"""What `disc check --generator` says of a generator that saw slides which test or validate."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from disc import cli
from disc.data.check.check_sets import check_sets
from disc.data.check.report import CheckReport
from disc.data.check.request import CheckRequest
from disc.files import BadInput
from tests.data.check.faults import share_patient
from tests.data.check.trees import GRADES, slide_of, slide_rows, write_clean


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_clean(tmp_path / "set")


def train(folder: Path, *slides: str, patients: tuple[str, ...] | None = None) -> Path:
    """A record as a run writes it, written here by hand."""
    owners = {str(row["slide_id"]): str(row["patient_id"]) for row in slide_rows()}
    known = patients or tuple(owners[slide] for slide in slides)
    record = {"protocol": "one-fold", "fold": "Val1", "slides": slides, "patients": known}
    folder.mkdir(parents=True)
    (folder / "trained_on.json").write_text(json.dumps(record))
    return folder


def check(root: Path, *generators: Path) -> CheckReport:
    return check_sets(CheckRequest(roots=(root,), generators=generators, processes=1))


def found(report: CheckReport) -> list[tuple[str, str, list[str]]]:
    return [(f.severity, f.kind, [case.note for case in f.cases]) for f in report.findings]


def trained(group: str) -> list[str]:
    return [slide_of(group, grade) for grade in GRADES]


def test_a_generator_of_the_fold_is_fine(tree: Path, tmp_path: Path) -> None:
    assert found(check(tree, train(tmp_path / "sd", *trained("A")))) == []


def test_a_test_slide_is_an_error_with_its_tiles(tree: Path, tmp_path: Path) -> None:
    sd = train(tmp_path / "sd", *trained("A"), slide_of("T", 4))
    (finding,) = check(tree, sd).findings
    assert (finding.severity, finding.kind) == ("error", "generator-saw-test")
    (case,) = finding.cases
    assert case.note == f"slide {slide_of('T', 4)}: seen"
    assert case.files[0] == sd / "trained_on.json"
    assert [path.name.partition("_")[0] for path in case.files[1:]] == [slide_of("T", 4)] * 3


def test_validation_slides_are_a_warning_that_names_the_fold(tree: Path, tmp_path: Path) -> None:
    sd = train(tmp_path / "sd", *trained("A"), *trained("B")[:3])
    report = check(tree, sd)
    note = "Val1: 3 of 4 validation slide(s)"
    assert found(report) == [("warning", "generator-saw-validation", [note])]
    assert report.num_errors == 0 and "Val1" in report.findings[0].action


def test_another_slide_of_a_patient_that_was_seen(tree: Path, tmp_path: Path) -> None:
    """Patient 7 has a training and a test slide, here by a fault of the split itself."""
    share_patient(tree)
    sd = train(tmp_path / "sd", slide_of("A", 0))
    notes = {kind: cases for _, kind, cases in found(check(tree, sd))}
    assert notes["generator-saw-test"] == [
        f"slide {slide_of('T', 0)}: another of patient 7 seen",
    ]


def test_numbers_of_patients_mean_nothing_in_another_set(tree: Path, tmp_path: Path) -> None:
    everyone = tuple(str(row["patient_id"]) for row in slide_rows())
    assert found(check(tree, train(tmp_path / "sd", "21X0001", patients=everyone))) == []


def test_each_generator_and_a_set_without_parts(tree: Path, tmp_path: Path) -> None:
    """Of images without workbooks, all test."""
    good = train(tmp_path / "good", slide_of("A", 3))
    bad = train(tmp_path / "bad", slide_of("T", 3))
    kinds = [(f.kind, str(bad) in f.found) for f in check(tree, good, bad).findings]
    assert kinds == [("generator-saw-test", True)]
    shutil.rmtree(tree / "partition")
    request = CheckRequest(
        roots=(tree,), kinds=("folder",), images="images", masks=("masks",), processes=1,
        values={0: 0, 3: 3, 4: 4, 5: 5}, slides=slides_csv(tree), generators=(good,),
    )  # fmt: skip
    assert "generator-saw-test" in {finding.kind for finding in check_sets(request).findings}


def slides_csv(root: Path) -> Path:
    path = root / "slides.csv"
    pd.DataFrame(slide_rows())[["slide_id", "patient_id"]].to_csv(path, index=False)
    return path


def test_bands_and_synthetic_sets_are_skipped(tree: Path, tmp_path: Path) -> None:
    sd = train(tmp_path / "sd", slide_of("T", 4))
    (tree / "set.json").write_text(json.dumps({"is_split_by_position": True}))
    assert found(check(tree, sd)) == []


def test_a_folder_without_a_record_is_one_line(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", str(tree), "--page", str(tmp_path / "check.html"), "--generator"]
    assert cli.main([*words, str(tmp_path / "nowhere")]) == 2
    error = capsys.readouterr().err
    assert "trained_on.json: no such file" in error and error.count("\n") == 1
    sd = train(tmp_path / "sd", slide_of("T", 4))
    assert cli.main([*words, str(sd)]) == 1
    assert slide_of("T", 4) in (tmp_path / "check.html").read_text()
    (sd / "trained_on.json").write_text('{"fold": "Val1"}')
    with pytest.raises(BadInput, match="damaged"):
        check(tree, sd)
