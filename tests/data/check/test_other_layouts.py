"""LAPC and plain folders, written with Pillow only."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from disc.data.check.check_sets import check_sets
from disc.data.check.report import CheckReport, Finding
from disc.data.check.request import CheckRequest
from tests.data.check.trees import draw, write_clean


def save(path: Path, pixels: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels.save(path)


def mask(value: int, side: int = 64) -> Image.Image:
    values = np.zeros((side, side), np.uint8)
    values[: side // 2] = value
    return Image.fromarray(values)


def write_lapc(root: Path) -> Path:
    for number in range(4):
        save(root / "jpg_nameless" / f"p{number % 2}" / f"t{number}.jpg", draw(f"lapc {number}"))
        save(root / "mask_nameless" / f"t{number}.png", mask(number))
    return root


def write_cores(root: Path) -> Path:
    """Two raters, of whom the second left one core out; cores of two sizes."""
    for number in range(3):
        side = 96 if number == 2 else 64
        save(root / "cores" / f"core{number}.png", draw(f"core {number}", side))
        save(root / "one" / f"core{number}.png", mask(4, side))
        if number:
            save(root / "two" / f"core{number}.png", mask(5, side))
    return root


def only(report: CheckReport, kind: str) -> Finding:
    (finding,) = (finding for finding in report.findings if finding.kind == kind)
    return finding


def kinds(report: CheckReport) -> set[tuple[str, str]]:
    return {(finding.severity, finding.kind) for finding in report.findings}


def check_lapc(root: Path) -> CheckReport:
    return check_sets(CheckRequest(roots=(root,), kinds=("lapc",), processes=1))


def check_cores(root: Path) -> CheckReport:
    request = CheckRequest(
        roots=(root,), kinds=("folder",), images="cores", masks=("one", "two"), processes=1
    )
    return check_sets(request)


def test_lapc(tmp_path: Path) -> None:
    """0 is GG3 there, so that every value but those above 4 means something."""
    root = write_lapc(tmp_path / "lapc")
    assert check_sets(CheckRequest(roots=(root,), processes=1)).sets == check_lapc(root).sets
    report = check_lapc(root)
    assert kinds(report) <= {("warning", "reader-notes")}
    (numbers,) = report.sets
    assert (numbers.kind, numbers.images, numbers.masks, numbers.patients) == ("lapc", 4, 4, 2)
    mask(7).save(root / "mask_nameless" / "t1.png")
    draw("lapc 0").save(root / "jpg_nameless" / "p1" / "t3.jpg", quality=50)
    report = check_lapc(root)
    assert "t1: value 7 (2048 px)" in only(report, "mask-value").cases[0].note.replace(",", "")
    assert len(only(report, "duplicate").cases[0].files) == 2


def test_folder_with_two_raters(tmp_path: Path) -> None:
    root = write_cores(tmp_path / "cores")
    report = check_cores(root)
    assert {severity for severity, _ in kinds(report)} == {"warning"}
    assert [case.note for case in only(report, "image-size").cases] == ["core2: 96 x 96 px"]
    assert (report.sets[0].images, report.sets[0].masks) == (3, 5)
    mask(6).save(root / "two" / "core1.png")
    mask(4, 32).save(root / "one" / "core2.png")
    report = check_cores(root)
    assert "core1: value 6" in only(report, "mask-value").cases[0].note
    assert only(report, "mask-value").cases[0].files[1].parent.name == "two"
    assert only(report, "mask-size").cases[0].note == "core2: 32 x 32 px"


def test_folder_with_a_table_of_slides_and_parts(tmp_path: Path) -> None:
    """A patient whose cores are in both parts."""
    root = write_cores(tmp_path / "cores")
    lines = [
        {"slide_id": f"core{n}", "patient_id": p, "split": s}
        for n, (p, s) in enumerate([("a", "train"), ("b", "train"), ("a", "test")])
    ]
    pd.DataFrame(lines).to_csv(root / "slides.csv", index=False)
    request = CheckRequest(
        roots=(root,),
        kinds=("folder",),
        images="cores",
        masks=("one",),
        slides=root / "slides.csv",
        processes=1,
    )
    finding = only(check_sets(request), "shared-patient")
    assert finding.cases[0].note == "patient a: in Test/Train and Test/Test"


def test_sets_of_three_layouts_beside_each_other(tmp_path: Path) -> None:
    """One picture in all three; the options describe the folder alone."""
    lapc, cores = write_lapc(tmp_path / "lapc"), write_cores(tmp_path / "cores")
    tree = write_clean(tmp_path / "tiles")
    copy = next(iter(sorted((tree / "images").iterdir())))
    shutil.copy(copy, lapc / "jpg_nameless" / "p1" / "t3.jpg")
    Image.open(copy).save(cores / "cores" / "core1.png")
    request = CheckRequest(
        roots=(tree, lapc, cores),
        kinds=("auto", "lapc", "folder"),
        images="cores",
        masks=("one", "two"),
        processes=1,
    )
    report = check_sets(request)
    assert [numbers.kind for numbers in report.sets] == ["sicapv2", "lapc", "folder"]
    finding = only(report, "duplicate-across-sets")
    assert finding.data_set == "tiles and lapc and cores"
    assert [path.stem for path in finding.cases[0].files] == [copy.stem, "t3", "core1"]
