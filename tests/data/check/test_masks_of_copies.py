"""Copies of SICAPv2 whose masks are written in other ways."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disc.data.check.check_sets import check_sets
from disc.data.check.report import CheckReport
from disc.data.check.request import CheckRequest
from tests.data.check.trees import mask_of, name_of, write_clean


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = write_clean(tmp_path / "set")
    (root / "set.json").unlink()
    return root


def check(root: Path) -> CheckReport:
    return check_sets(CheckRequest(roots=(root,), processes=1))


def kinds(report: CheckReport) -> set[str]:
    # too small for SICAPv2, and only one of its four folds
    return {finding.kind for finding in report.findings} - {"counts", "missing-workbook"}


def test_grades(tree: Path) -> None:
    assert kinds(check(tree)) == set()


def test_indices(tree: Path) -> None:
    """0 to 3; a 4 in one of them is then a fault."""
    for path in (tree / "masks").iterdir():
        values = np.array(Image.open(path))
        Image.fromarray(np.where(values > 0, values - 2, 0).astype(np.uint8)).save(path)
    assert kinds(check(tree)) == set()
    path = mask_of(tree, name_of("A", 3))
    values = np.array(Image.open(path))
    values[0, :5] = 4
    Image.fromarray(values).save(path)
    (finding,) = (f for f in check(tree).findings if f.kind == "mask-value")
    assert "value 4 (5 px)" in finding.cases[0].note
    assert finding.expected.startswith("0, 1, 2, 3 or 255")


def test_grey_jpegs_of_version_1(tree: Path) -> None:
    greys = {0: 0, 3: 50, 4: 100, 5: 200}
    for path in list((tree / "masks").iterdir()):
        values = np.array(Image.open(path))
        grey = np.vectorize(greys.get)(values).astype(np.uint8)
        Image.fromarray(grey).save(path.with_suffix(".jpg"), quality=85)
        path.unlink()
    report = check(tree)
    (finding,) = (f for f in report.findings if f.kind == "mask-encoding")
    assert finding.severity == "warning" and "fetch version 2" in finding.cases[0].note
    assert not kinds(report) & {"mask-value", "label-differs", "damaged", "missing-mask"}


def test_nested_folders_and_csv(tree: Path, tmp_path: Path) -> None:
    import pandas as pd

    for path in list(tree.rglob("*.xlsx")):
        pd.read_excel(path).to_csv(path.with_suffix(".csv"))
        path.unlink()
    outer = tmp_path / "outer" / "SICAPv2"
    outer.parent.mkdir()
    shutil.move(tree, outer)
    report = check(outer.parent)
    assert kinds(report) == set()
    assert report.sets[0].parts["Test/Test"].tiles == 12
