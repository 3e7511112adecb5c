"""A table of slides that is given when slides have failed without it."""

import shutil
from pathlib import Path

import pytest

from disc.data.readers.sicapv2 import read_set
from disc.data.tiling.tile_slides import tile_slides
from disc.files import BadInput
from tests.data.scans import save_slide
from tests.data.tiling.test_workers import TILE, drop_resolution, request_for, scales
from tests.data.writing.test_set_writer import contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Slides `a`, `b`, `c`, the same picture, with masks."""
    save_slide(tmp_path, "a", step=4)
    for name in "bc":
        shutil.copy(tmp_path / "slides/a.tiff", tmp_path / f"slides/{name}.tiff")
        shutil.copy(tmp_path / "masks/a_mask.tiff", tmp_path / f"masks/{name}_mask.tiff")
    return tmp_path


@pytest.mark.parametrize("unit", ["2", "1"])
def test_a_table_given_later_cuts_the_failed_slide_alone(folder: Path, unit: str) -> None:
    """It was another request, where --mpp was none."""
    drop_resolution(folder / "slides/b.tiff")
    assert list(tile_slides(request_for(folder)).failures) == ["b"]
    stamp = {path: path.stat().st_mtime_ns for path in (folder / "out/images").iterdir()}
    table = folder / "labels.csv"
    table.write_text(f"image_id,gleason_score,patient_id,mpp\na,3+4,p,\nb,4+4,q,{unit}\nc,3+3,r,\n")
    report = tile_slides(request_for(folder, labels=table))
    assert not report.failures and not report.without_score
    assert all(path.stat().st_mtime_ns == stamp[path] for path in stamp)
    assert scales(folder / "out")["b"] == 128 // int(unit)
    slides = read_set(folder / "out", TILE).slides.values()
    assert {slide.patient_id for slide in slides} == set("pqr")
    expected = contents(folder / "out")
    tile_slides(request_for(folder, labels=table))
    assert contents(folder / "out") == expected
    for labels in (None, folder / "other.csv"):
        (folder / "other.csv").write_text("image_id,mpp\nb,2\n")
        with pytest.raises(BadInput, match="holds tiles of another request"):
            tile_slides(request_for(folder, labels=labels))


def test_a_table_given_later_that_contradicts_a_finished_slide_is_told(folder: Path) -> None:
    tile_slides(request_for(folder))
    table = folder / "labels.csv"
    table.write_text("image_id,mpp\na,\nb,2\nc,1\n")
    report = tile_slides(request_for(folder, labels=table))
    assert (
        list(report.failures) == ["c"] and "and the table of --labels mpp 1" in report.failures["c"]
    )
