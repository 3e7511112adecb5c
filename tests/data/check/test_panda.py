"""PANDA's layout, written with tifffile and pandas."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from disc.data.check.check_sets import check_sets
from disc.data.check.report import CheckReport, Finding
from disc.data.check.request import CheckRequest
from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from tests.data.scans import UM, draw_mask, generate, save_pyramid


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slides, the second with other tissue."""
    root = tmp_path_factory.mktemp("panda") / "panda"
    for number, name in enumerate(("aaa", "bbb")):
        mask = draw_mask()[::4, ::4]
        mask = np.roll(mask, 90 * number, 0) if number == 0 else np.rot90(mask, 1)[:, ::2]
        mask = np.ascontiguousarray(mask)
        save_pyramid(root / "train_images" / f"{name}.tiff", generate(mask), um=4 * UM)
        channels = np.stack([mask, np.zeros_like(mask), np.zeros_like(mask)], -1)
        save_pyramid(root / "train_label_masks" / f"{name}_mask.tiff", channels, um=None)
    save_table(root, {"aaa": ("3+4", 2), "bbb": ("4+3", 3)})
    return root


@pytest.fixture
def panda(clean: Path, tmp_path: Path) -> Path:
    shutil.copytree(clean, tmp_path / "panda")
    return tmp_path / "panda"


def save_table(root: Path, scores: dict[str, tuple[str, int]], provider: str = "radboud") -> None:
    rows = [
        {"image_id": n, "data_provider": provider, "isup_grade": g, "gleason_score": s}
        for n, (s, g) in scores.items()
    ]
    pd.DataFrame(rows).to_csv(root / "train.csv", index=False)


def check(root: Path) -> CheckReport:
    return check_sets(CheckRequest(roots=(root,), processes=1))


def only(report: CheckReport, kind: str) -> Finding:
    (finding,) = (finding for finding in report.findings if finding.kind == kind)
    return finding


def test_clean(panda: Path) -> None:
    report = check(panda)
    assert [f.kind for f in report.findings] == ["counts"]
    notes = [case.note for case in report.findings[0].cases]
    assert notes[0] == "train.csv: 2 rows; expected 10,616"
    (numbers,) = report.sets
    assert (numbers.kind, numbers.images, numbers.masks, numbers.tile_px) == ("panda", 2, 2, None)
    assert set(numbers.pixels) == {"0", "1", "3", "4"}


def test_faults(panda: Path) -> None:
    """A wrong group, a row without a slide, a slide without a row, one without a mask."""
    shutil.copy(panda / "train_images" / "aaa.tiff", panda / "train_images" / "ccc.tiff")
    save_table(panda, {"aaa": ("4+3", 2), "bbb": ("4+3", 3), "ddd": ("0+0", 0)})
    report = check(panda)
    assert only(report, "score-differs").cases[0].note == "aaa: 4+3, isup_grade 2"
    assert only(report, "missing-image").cases[0].note == "ddd"
    assert only(report, "unknown-slide").severity == "error"
    assert only(report, "missing-mask").cases[0].note == "ccc"
    duplicate = only(report, "duplicate")
    assert duplicate.cases[0].note == "aaa (in no part) = ccc (in no part)"


def test_slides_that_are_pictures_are_listed_as_they_are_read(panda: Path) -> None:
    """A JPEG is a slide for the reader; one turned by EXIF is read upright, and named."""
    slide = panda / "train_images" / "aaa.tiff"
    pixels = tifffile.imread(slide)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels)).save(slide.with_suffix(".jpg"), exif=exif, quality=95)
    slide.unlink()
    (slide.parent / "notes.txt").write_text("of the scanner")
    report = check(panda)
    assert {finding.kind for finding in report.findings} == {"counts", "turned", "not-a-slide"}
    assert [case.note for case in only(report, "turned").cases] == ["train_images/aaa.jpg"]
    assert [case.note for case in only(report, "not-a-slide").cases] == ["notes.txt"]
    read = read_source(Source(root=panda))
    assert [slide.image and slide.image.name for slide in read.slides.values()] == [
        "aaa.jpg",
        "bbb.tiff",
    ]


def test_values_that_the_provider_does_not_use(panda: Path) -> None:
    save_table(panda, {"aaa": ("3+4", 2), "bbb": ("4+3", 3)}, "karolinska")
    notes = [case.note for case in only(check(panda), "mask-value").cases]
    assert notes == ["aaa (karolinska): 3, 4", "bbb (karolinska): 3, 4"]


def test_damaged_slide_and_mask_of_another_shape(panda: Path) -> None:
    (panda / "train_images" / "aaa.tiff").write_bytes(b"II*\0 nothing")
    mask = np.zeros((300, 900, 3), np.uint8)
    save_pyramid(panda / "train_label_masks" / "bbb_mask.tiff", mask, um=None)
    report = check(panda)
    assert "aaa.tiff: not a slide" in only(report, "damaged").cases[0].note
    assert only(report, "mask-size").cases[0].note == "bbb"


def test_a_real_slide_is_read(clean: Path) -> None:
    """Slides are no tiles: no part, no label, nothing in no workbook."""
    assert check(clean).sets[0].unlisted == 0 and check(clean).sets[0].parts == {}
