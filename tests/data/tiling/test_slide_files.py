"""Which files of a folder are slides, and odd names among them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disc import cli
from disc.data.readers.sicapv2 import read_set
from disc.data.tiles.names import find_name_fault
from disc.data.tiling.request import TileRequest
from disc.data.tiling.slide_files import list_slides
from disc.data.tiling.tile_slides import tile_slides
from disc.files import BadInput
from tests.data.scans import draw_mask, generate

TILE = 32


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "slide.png"
    Image.fromarray(generate(draw_mask()[::8, ::8])).save(path)
    return path


def request_for(root: Path, **targets: object) -> TileRequest:
    given = {"tile_px": TILE, "um_per_px": 8.0, "mpp": 4.0, "processes": 1}
    return TileRequest(**{"slides": root / "slides", "out": root / "out", **given, **targets})


def test_slides_lie_in_folders_beside_other_files(tmp_path: Path, picture: Path) -> None:
    """As TCGA's downloader leaves them: a folder a slide, logs, and what a Mac adds."""
    root = tmp_path / "slides"
    for name in ("uuid-1/a.png", "uuid-2/deep/b.png", "c.png", "out/thumbnails/x.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, root / name)
    for name in ("uuid-1/._a.png", ".DS_Store", "d.dcm", "e.dcm", "f.qptiff", "uuid-1/notes.txt"):
        (root / name).write_bytes(b"x")
    paths, notes = list_slides(root, [root / "out"])
    assert [path.name for path in paths] == ["c.png", "a.png", "b.png"]
    assert notes == [
        f"{root}: 4 file(s) are not read: 2 .dcm, 1 .qptiff, 1 .txt "
        "(d.dcm, e.dcm, f.qptiff, notes.txt)"
    ]
    shutil.rmtree(root / "out")
    report = tile_slides(request_for(tmp_path, out=root / "out"))
    assert report.num_slides == 3 and notes[0] in report.lines() and not report.failures
    with pytest.raises(BadInput, match=r"no slides in it; expected .*; found 1 \.dcm \(d\.dcm\)"):
        (tmp_path / "none").mkdir()
        (tmp_path / "none/d.dcm").touch()
        list_slides(tmp_path / "none")


def test_what_is_called_like_a_mask_is_named(tmp_path: Path) -> None:
    """Slides of such a name were left out without a word."""
    for name in ("a.tiff", "a_mask.tiff", "b_mask.ome.tif"):
        (tmp_path / name).touch()
    paths, notes = list_slides(tmp_path)
    assert [path.name for path in paths] == ["a.tiff"]
    assert notes == [
        f"{tmp_path}: 2 file(s) are called like masks (..._mask), so no slides: a_mask.tiff, "
        "b_mask.ome.tif"
    ]
    (tmp_path / "a.tiff").unlink()
    with pytest.raises(BadInput, match=r"no slides in it; .*found .*\(a_mask\.tiff, b_mask"):
        list_slides(tmp_path)


def test_the_folder_of_a_mirax_slide_is_a_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/Data0000.jpg").touch()
    (tmp_path / "a.mrxs").touch()
    assert [path.name for path in list_slides(tmp_path)[0]] == ["a.mrxs"]


ODD = [
    b"bad\x01name.png",
    b"bad\x1b[31mred.png",
    b"no-utf-8-\xff\xfe.png",
    "none\uffff.png".encode(),
]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_listed_and_the_others_go_on(
    tmp_path: Path, picture: Path, name: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    slides = tmp_path / "slides"
    slides.mkdir()
    shutil.copy(picture, slides / "good.png")
    shutil.copy(picture, os.fsencode(slides) + b"/" + name)
    words = ["tile", "--slides", str(slides), "--out", str(tmp_path / "out"), "--tile-px", "32"]
    assert cli.main([*words, "--um-per-px", "8", "--mpp", "4", "--processes", "1"]) == 1
    shown = capfd.readouterr().out
    assert "failed: 1 slide(s)" in shown and "characters that tables cannot hold" in shown
    assert "\x1b" not in shown and "\x01" not in shown
    assert set(read_set(tmp_path / "out", TILE).slides) == {"good"}


def test_names_that_can_be_used() -> None:
    assert not any(map(find_name_fault, ("S1", "Möller 3", "プレパラート", "a.b-c d")))
    assert "180 bytes" in find_name_fault("x" * 200)


def test_masks_by_a_template(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "slides").mkdir()
    (tmp_path / "labels").mkdir()
    shutil.copy(picture, tmp_path / "slides/a.png")
    values = np.where(draw_mask()[::8, ::8] > 1, 4, 0).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "labels/a-labels.png")
    asked = request_for(
        tmp_path, masks=tmp_path / "labels/{name}-labels.png", mask_values="sicapv2"
    )
    report = tile_slides(asked)
    assert not report.without_mask and report.labels["GG4"] > 0
    with pytest.raises(BadInput, match=r"no mask of any slide; .* say with \{name\} how they are"):
        tile_slides(request_for(tmp_path, masks=tmp_path / "labels", out=tmp_path / "second"))


def test_reasons_of_failed_slides_come_before_advice_on_tissue(
    tmp_path: Path, picture: Path
) -> None:
    (tmp_path / "slides").mkdir()
    Image.new("RGB", (200, 400), (243, 243, 243)).save(tmp_path / "slides/glass.png")
    (tmp_path / "slides/cut.png").write_bytes(picture.read_bytes()[:500])
    with pytest.raises(BadInput) as caught:
        tile_slides(request_for(tmp_path))
    assert "slides: 1 slide(s) failed, the first: " in str(caught.value)
    assert str(caught.value).index("cut.png") < str(caught.value).index("no tile has 40% tissue")


def test_what_ink_was_left_out_is_said(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "slides").mkdir()
    image = np.array(Image.open(picture))
    image[5:25, 10:180] = (40, 130, 70)
    Image.fromarray(image).save(tmp_path / "slides/a.png")
    report = tile_slides(request_for(tmp_path))
    assert any(
        line.startswith("pen strokes left out: 1 slide(s), most of a: ")
        for line in str(report).splitlines()
    )
    assert 0.01 < report.pen["a"] < 0.5


def test_black_glass_is_not_told_as_ink(tmp_path: Path, picture: Path) -> None:
    """It hid a true stroke on another slide, of which the report names the worst alone."""
    (tmp_path / "slides").mkdir()
    image = np.array(Image.open(picture))
    image[:, :40] = (10, 12, 18)
    Image.fromarray(image).save(tmp_path / "slides/a.png")
    assert tile_slides(request_for(tmp_path)).pen == {}
