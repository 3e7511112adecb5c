"""A folder of DICOM files is a slide where OpenSlide reads it, by the folder's name."""

from pathlib import Path

import numpy as np
import pytest

from disc.data.readers.sicapv2 import read_set
from disc.data.tiling.request import TileRequest
from disc.data.tiling.slide_files import list_slides
from disc.data.tiling.tile_slides import tile_slides
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from tests.data.dicom import save_dicom
from tests.data.scans import draw_mask, generate, save_pyramid

STEP, UM = 4, 2.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    mask = draw_mask()[::STEP, ::STEP]
    save_dicom(tmp_path / "slides" / "1.2.840.5" / "a.dcm", generate(mask), UM)
    save_pyramid(tmp_path / "masks" / "1.2.840.5_mask.tiff", mask, um=None)
    (tmp_path / "slides" / "other").mkdir()
    (tmp_path / "slides" / "other" / "b.dcm").write_bytes(b"no DICOM")
    return tmp_path


def test_pixels_and_resolution(root: Path) -> None:
    scan = Scan(root / "slides" / "1.2.840.5")
    assert scan.um_per_px == pytest.approx(UM)
    expected = generate(draw_mask()[::STEP, ::STEP]).astype(int)
    assert (scan.height, scan.width) == expected.shape[:2]
    whole = scan.read(0, 0, (scan.width, scan.height), 1.0)
    assert np.abs(whole - expected).mean() < 2


def test_the_folder_is_a_slide_and_what_is_none_is_counted(root: Path) -> None:
    slides, notes = list_slides(root / "slides")
    assert [path.name for path in slides] == ["1.2.840.5"]
    assert any("1 .dcm (b.dcm)" in note for note in notes)


def test_it_is_cut_like_any_other(root: Path) -> None:
    request = TileRequest(
        slides=root / "slides",
        masks=root / "masks",
        mask_values="radboud",
        out=root / "out",
        tile_px=32,
        um_per_px=4.0,
        processes=1,
    )
    report = tile_slides(request)
    assert report.labels["GG3"] + report.labels["GG4"] > 10
    assert set(read_set(request.out, 32).slides) == {"1.2.840.5"}


def test_a_folder_of_other_files_is_refused(root: Path) -> None:
    with pytest.raises(BadInput, match="other: is a folder; expected"):
        Scan(root / "slides" / "other")
