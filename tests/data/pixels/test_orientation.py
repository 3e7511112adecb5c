"""Pictures that say by EXIF or a TIFF tag that they are turned, and values of more than 8 bits."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from disc.data.check.check_sets import check_sets
from disc.data.check.decode import look_at_slide, look_at_tile
from disc.data.check.request import CheckRequest
from disc.data.pixels.images import read_image, read_mask
from disc.data.wsi.scan import Scan
from disc.files import BadInput

SIDE = 64
ORIENTATION = 274
PICTURE = np.full((SIDE, SIDE, 3), 200, np.uint8)
PICTURE[:16, :32] = (180, 60, 120)


def save_turned(path: Path, pixels: np.ndarray, orientation: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    how = {"quality": 100, "subsampling": 0} if path.suffix == ".jpg" else {}
    Image.fromarray(pixels).save(path, exif=exif, **how)


def save_tiff(path: Path, pixels: np.ndarray, orientation: int) -> None:
    kind = "rgb" if pixels.ndim == 3 else "minisblack"
    tags = [(ORIENTATION, "H", 1, orientation, True)]
    tifffile.imwrite(path, pixels, photometric=kind, extratags=tags)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiffs_of_tiles_and_masks_are_upright_each_by_its_own_tag(
    tmp_path: Path, orientation: int
) -> None:
    image, mask = tmp_path / "a.tif", tmp_path / "m.tif"
    values = np.where(PICTURE[..., 1] == 60, np.uint8(4), np.uint8(0))
    save_tiff(image, PICTURE, orientation)
    save_tiff(mask, values, orientation)
    save_turned(tmp_path / "a.png", PICTURE, orientation)
    assert np.array_equal(read_image(image, SIDE), read_image(tmp_path / "a.png", SIDE))
    drawn = read_mask(mask, SIDE, of=image) == 2
    assert np.array_equal(drawn, read_image(image, SIDE)[..., 1] == 60)
    Image.fromarray(values).save(tmp_path / "m.png")
    untold = read_mask(tmp_path / "m.png", SIDE, of=image) == 2
    assert np.array_equal(untold, drawn) == (orientation == 1)
    look = look_at_tile(image, mask)
    assert look.mask is not None
    assert look.image.orientation == look.mask.orientation == orientation


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiles_and_slides_are_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a.{suffix}"
    save_turned(path, PICTURE, orientation)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert np.abs(read_image(path, SIDE) - upright).max() <= 3
    assert np.abs(Scan(path, 1.0).read(0, 0, (SIDE, SIDE), 1.0) - upright).max() <= 3


def test_masks_are_upright(tmp_path: Path) -> None:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[:16, :32] = 4
    save_turned(tmp_path / "m.png", values, 6)
    mask = read_mask(tmp_path / "m.png", SIDE, of=tmp_path / "m.jpg")
    assert np.array_equal(mask == 2, np.rot90(values, -1) == 4)


def test_a_wide_slide_that_is_turned_is_tall(tmp_path: Path) -> None:
    save_turned(tmp_path / "a.jpg", np.tile(PICTURE, (1, 3, 1)), 6)
    scan = Scan(tmp_path / "a.jpg", 1.0)
    assert (scan.width, scan.height) == (SIDE, 3 * SIDE)


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_a_turned_tiff_is_no_slide(tmp_path: Path, tile: tuple[int, int] | None) -> None:
    """OpenSlide turns each of its tiles and not the whole."""
    tags = [(ORIENTATION, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "a.tif", PICTURE, photometric="rgb", tile=tile, extratags=tags)
    with pytest.raises(BadInput, match="its tag Orientation is 6; expected an upright slide"):
        Scan(tmp_path / "a.tif")
    found = look_at_slide(tmp_path / "a.tif", None).image
    assert found.fault == "damaged" and "its tag Orientation is 6" in found.note


def test_twelve_bits_are_not_read_as_black(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PICTURE.astype(np.uint16) * 16, photometric="rgb")
    with pytest.raises(BadInput, match="has 16 bits a value; expected 8"):
        read_image(path, SIDE)


def test_a_check_names_what_is_turned_and_what_is_deep(tmp_path: Path) -> None:
    for name, orientation in (("a", 1), ("b", 6)):
        save_turned(tmp_path / "images" / f"{name}.jpg", PICTURE[:, :48], orientation)
    turned = np.zeros((48, SIDE), np.uint8)
    for name, mask in (("a", turned.T), ("b", turned)):
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    for name, orientation, mask in (("d", 1, turned.T), ("e", 6, turned), ("f", 0, turned.T)):
        save_tiff(tmp_path / "images" / f"{name}.tif", PICTURE[:, :48], orientation)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    save_tiff(tmp_path / "masks" / "a.tif", turned, 8)
    (tmp_path / "masks" / "a.png").unlink()
    deep = PICTURE.astype(np.uint16) * 16
    tifffile.imwrite(tmp_path / "images" / "c.tif", deep, photometric="rgb")
    report = check_sets(CheckRequest(roots=(tmp_path,), kinds=("folder",), processes=1))
    kinds = {finding.kind: finding for finding in report.findings}
    turned_files = ["masks/a.tif", "images/b.jpg", "images/e.tif"]
    assert [case.note for case in kinds["turned"].cases] == turned_files
    assert "mask-size" not in kinds, "the masks are as their images look"
    assert [case.files[0].name for case in kinds["damaged"].cases] == ["c.tif"]
    assert "16 bits" in kinds["damaged"].cases[0].note
