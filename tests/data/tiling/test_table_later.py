"""A table of slides that is given when slides have failed without it."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import tifffile

from disc.data.readers.sicapv2 import read_set
from disc.data.tiling.tile_slides import tile_slides
from disc.files import BadInput, digest, write_json
from tests.data.scans import save_pyramid, save_slide
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
    with pytest.raises(BadInput, match="holds tiles of another request"):
        tile_slides(request_for(folder))


def stamps(folder: Path) -> dict[Path, int]:
    names = [path for part in ("images", "thumbnails") for path in (folder / part).iterdir()]
    return {path: path.stat().st_mtime_ns for path in names}


@pytest.mark.parametrize("wrong", ["a,\nb,2\nc,1\n", "a,1\nb,1\nc,1\n"])
@pytest.mark.parametrize("name", ["labels.csv", "other.csv"])
def test_a_wrong_table_takes_no_finished_tile_and_binds_nobody(
    folder: Path, wrong: str, name: str
) -> None:
    """Finished tiles were deleted by a typo, and no other table was taken."""
    before = tile_slides(request_for(folder))
    expected = stamps(folder / "out")
    table = folder / "labels.csv"
    table.write_text(f"image_id,mpp\n{wrong}")
    report = tile_slides(request_for(folder, labels=table))
    assert len(report.failures) == wrong.count(",1")
    assert "and the table of --labels mpp 1" in report.failures["c"]
    assert "until then its tiles stay as they were" in report.failures["c"]
    assert report.labels == before.labels and stamps(folder / "out") == expected
    assert set(read_set(folder / "out", TILE).slides) == set("abc")
    (folder / name).write_text("image_id,patient_id,mpp\na,p,\nb,q,2\nc,r,2\n")
    report = tile_slides(request_for(folder, labels=folder / name))
    assert not report.failures and stamps(folder / "out") == expected
    slides = read_set(folder / "out", TILE).slides.values()
    assert {slide.patient_id for slide in slides} == set("pqr")


def test_a_file_that_is_corrected_instead_is_cut_anew(folder: Path) -> None:
    tile_slides(request_for(folder))
    table = folder / "labels.csv"
    table.write_text("image_id,mpp\na,\nb,2\nc,1\n")
    assert list(tile_slides(request_for(folder, labels=table)).failures) == ["c"]
    slide = folder / "slides/c.tiff"
    save_pyramid(slide, tifffile.imread(slide), um=1.0)
    assert not tile_slides(request_for(folder, labels=table)).failures
    assert scales(folder / "out") == {"a": 64, "b": 64, "c": 128}


def test_a_resolution_that_is_not_given_any_more_takes_no_tile(folder: Path) -> None:
    drop_resolution(folder / "slides/b.tiff")
    tile_slides(request_for(folder, mpp=2.0))
    expected = stamps(folder / "out")
    report = tile_slides(request_for(folder))
    assert list(report.failures) == ["b"] and "give --mpp" in report.failures["b"]
    assert stamps(folder / "out") == expected
    assert not tile_slides(request_for(folder, mpp=2.0)).failures
    assert stamps(folder / "out") == expected


def test_a_resolution_with_which_a_slide_could_not_be_cut_takes_no_tile(folder: Path) -> None:
    drop_resolution(folder / "slides/b.tiff")
    table = folder / "labels.csv"
    table.write_text("image_id,mpp\nb,2\n")
    assert not tile_slides(request_for(folder, labels=table)).failures
    expected = stamps(folder / "out")
    table.write_text("image_id,mpp\nb,200\n")
    report = tile_slides(request_for(folder, labels=table))
    assert list(report.failures) == ["b"] and "coarser than --um-per-px" in report.failures["b"]
    table.write_text("image_id,mpp\nb,2\n")
    assert not tile_slides(request_for(folder, labels=table)).failures
    assert stamps(folder / "out") == expected


def test_a_table_by_which_masks_would_be_read_otherwise_is_refused(folder: Path) -> None:
    tables = [folder / "first.csv", folder / "second.csv"]
    for table, maker in zip(tables, ("radboud", "karolinska"), strict=True):
        rows = "".join(f"{name},,{maker}\n" for name in "abc")
        table.write_text(f"image_id,mpp,data_provider\n{rows}")
    tile_slides(request_for(folder, labels=tables[0], mask_values="panda"))
    expected = contents(folder / "out")
    with pytest.raises(BadInput, match=r"second\.csv: gives slide a another data_provider than"):
        tile_slides(request_for(folder, labels=tables[1], mask_values="panda"))
    assert contents(folder / "out") == expected


def test_a_folder_that_an_earlier_version_claimed_with_a_table(folder: Path) -> None:
    """It noted where the table lay."""
    table, noted = folder / "labels.csv", folder / "out/request.json"
    table.write_text("image_id,mpp\na,\n")
    request = request_for(folder, labels=table)
    tile_slides(request)
    now = noted.read_bytes()
    facts = {**asdict(request), "mpp": None}
    for name in ("processes", "scores_from_masks", "classes", "outside"):
        del facts[name]
    write_json(noted, {"request": digest(facts)})
    tile_slides(request)
    assert noted.read_bytes() == now
