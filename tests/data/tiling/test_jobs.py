"""Slides to tile: their names in the set, their scores, and files that are masks."""

import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from disc import cli
from disc.data.readers.sicapv2 import read_set
from disc.data.readers.sicapv2_tables import read_listed
from disc.data.tiling.jobs import list_jobs
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import tile_slides
from tests.data.scans import draw_mask, generate
from tests.data.writing.test_set_writer import contents

TILE = 32


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a slide and the values of its mask."""
    root = tmp_path_factory.mktemp("picture")
    drawn = draw_mask()[::8, ::8]
    Image.fromarray(generate(drawn)).save(root / "slide.png")
    Image.fromarray(np.where(drawn > 1, 4, 0).astype(np.uint8)).save(root / "mask.png")
    return root


def request_for(root: Path, picture: Path, names: list[str]) -> TileRequest:
    """A folder of slides with these names."""
    (root / "slides").mkdir()
    for name in names:
        shutil.copy(picture / "slide.png", root / "slides" / name)
    return TileRequest(
        slides=root / "slides",
        out=root / "out",
        mask_values="sicapv2",
        **{"tile_px": TILE, "um_per_px": 8.0, "mpp": 4.0, "processes": 1},
    )


MOELLER = unicodedata.normalize("NFC", "Möller")


@pytest.mark.parametrize(
    ("name", "slide_id"),
    [
        (unicodedata.normalize("NFD", MOELLER), MOELLER),
        (" a_b ", "a-b"),
        ("a\u00a0", "a"),
        ("batch\\a", "batch-a"),
    ],
)
def test_a_set_reads_back_whatever_its_slides_are_called(
    tmp_path: Path, picture: Path, name: str, slide_id: str
) -> None:
    request = request_for(tmp_path, picture, [f"{name}.png"])
    request = replace(request, masks=tmp_path / "masks")
    (tmp_path / "masks").mkdir()
    shutil.copy(picture / "mask.png", tmp_path / "masks" / f"{name}.png")
    tile_slides(request)
    tiles = read_set(request.out, TILE)
    assert set(tiles.slides) == {slide_id} and tiles.slides[slide_id].patient_id == slide_id
    listed = read_listed(request.out)
    assert listed and set(listed) <= {tile.name for tile in tiles.tiles}


def test_a_blank_name_fails_alone(tmp_path: Path, picture: Path) -> None:
    request = request_for(tmp_path, picture, ["a.png", " .png"])
    assert [job.fault for job in list_jobs(request).jobs] == [
        " .png: its name is blank; rename the file",
        "",
    ]


SAME = [
    ("good.png", "good .png", "good"),
    (f"{MOELLER}.png", f"{unicodedata.normalize('NFD', MOELLER)}.png", MOELLER),
    ("uuid-1/x.png", "uuid-2/x.png", "x"),
    ("x.tif", "x.ome.tif", "x"),
]


@pytest.mark.parametrize("same", SAME)
def test_slides_of_one_name_fail_and_the_others_go_on(
    tmp_path: Path,
    picture: Path,
    capsys: pytest.CaptureFixture[str],
    same: tuple[str, str, str],
) -> None:
    """One pair ended the whole command."""
    first, second, slide_id = same
    request = request_for(tmp_path, picture, ["other.png"])
    for name in (first, second):
        (request.slides / name).parent.mkdir(exist_ok=True)
        shutil.copy(picture / "slide.png", request.slides / name)
    report = tile_slides(request)
    paths = [ascii(str(request.slides / name)) for name in (first, second)]
    assert set(report.failures) == {f"{slide_id} (1)", f"{slide_id} (2)"}
    said = {
        f"{one}: would be called {slide_id} like {other}; rename one"
        for one, other in (paths, paths[::-1])
    }
    assert set(report.failures.values()) == said
    assert set(read_set(request.out, TILE).slides) == {"other"}
    words = ["tile", "--slides", str(request.slides), "--out", str(tmp_path / "again")]
    options = ["--tile-px", "32", "--um-per-px", "8", "--mpp", "4", "--processes", "1"]
    assert cli.main([*words, *options]) == 1
    assert capsys.readouterr().out.count("; rename one") == 2


def test_a_second_slide_of_a_name_takes_both_away_until_one_is_renamed(
    tmp_path: Path, picture: Path
) -> None:
    request = request_for(tmp_path, picture, ["a.png", "b.png"])
    tile_slides(request)
    shutil.copy(picture / "slide.png", request.slides / "a .png")
    assert set(tile_slides(request).failures) == {"a (1)", "a (2)"}
    assert set(read_set(request.out, TILE).slides) == {"b"}
    assert {path.stem for path in (request.out / "patches").iterdir()} == {"b"}
    (request.slides / "a .png").rename(request.slides / "c.png")
    assert not tile_slides(request).failures
    assert set(read_set(request.out, TILE).slides) == {"a", "b", "c"}
    assert {path.stem for path in (request.out / "patches").iterdir()} == {"a", "b", "c"}


def test_a_slide_that_fails_for_another_reason_does_not_take_a_good_one_with_it(
    tmp_path: Path, picture: Path
) -> None:
    request = request_for(tmp_path, picture, ["a.png"])
    (request.slides / "a.jpg").symlink_to(picture / "slide.png")
    report = tile_slides(request)
    assert list(report.failures) == ["a (1)"] and "leads out of" in report.failures["a (1)"]
    assert set(read_set(request.out, TILE).slides) == {"a"}
    assert [path.name for path in (request.out / "patches").iterdir()] == ["a.h5"]


def test_a_score_that_isup_contradicts_does_not_count(tmp_path: Path, picture: Path) -> None:
    request = request_for(tmp_path, picture, ["a.png", "b.png"])
    table = {"image_id": ["a", "b"], "gleason_score": ["5+5", "3+4"], "isup_grade": [1, 2]}
    pd.DataFrame(table).to_csv(tmp_path / "table.csv", index=False)
    found = list_jobs(replace(request, labels=tmp_path / "table.csv"))
    assert [(job.slide.primary, job.slide.secondary) for job in found.jobs] == [
        (None, None),
        (3, 4),
    ]
    assert found.notes == (
        f"{tmp_path}/table.csv: 1 slide(s) whose isup_grade contradicts their score, so not "
        "scored: a",
    )


@pytest.mark.parametrize("folder", ["slides", "slides/labels", "slides/../slides"])
def test_masks_beside_their_slides_are_no_slides(
    tmp_path: Path, picture: Path, folder: str
) -> None:
    request = request_for(tmp_path, picture, ["a.png", "b.png"])
    (tmp_path / folder).mkdir(exist_ok=True)
    for name in "ab":
        shutil.copy(picture / "mask.png", tmp_path / folder / f"{name}-labels.png")
    (tmp_path / "table.csv").write_text("image_id,gleason_score\na,4+4\nb,4+4\n")
    request = replace(
        request,
        masks=tmp_path / folder / "{name}-labels.png",
        labels=tmp_path / "table.csv",
    )
    assert list_jobs(request).notes == (
        f"{tmp_path}/slides: 2 file(s) are masks of others, so no slides",
    )
    report = tile_slides(request)
    assert report.num_slides == 2 and not report.failures and not report.without_mask


def test_one_mask_beside_one_slide_and_files_that_ask_for_each_other(
    tmp_path: Path, picture: Path
) -> None:
    request = request_for(tmp_path, picture, ["a.tiff"])
    shutil.copy(picture / "mask.png", tmp_path / "slides" / "m.png")
    (job,) = list_jobs(replace(request, masks=tmp_path / "slides" / "m.png")).jobs
    assert (job.path.name, job.mask) == ("a.tiff", tmp_path / "slides" / "m.png")
    (tmp_path / "slides" / "m.png").rename(tmp_path / "slides" / "a.png")
    (job,) = list_jobs(replace(request, masks=tmp_path / "slides" / "{name}.png")).jobs
    assert (job.path.name, job.mask) == ("a.tiff", tmp_path / "slides" / "a.png")
    faults = [job.fault for job in list_jobs(replace(request, masks=tmp_path / "slides")).jobs]
    assert len(faults) == 2 and all("would be called a like" in fault for fault in faults)


@pytest.mark.parametrize("mask", ["a_mask.png", "a.png", "a.ome_mask.png", "a_mask.ome.tiff"])
def test_ome_tiffs_are_called_without_ome_by_all(tmp_path: Path, picture: Path, mask: str) -> None:
    """The table found it, its mask and its coordinates did not."""
    request = request_for(tmp_path, picture, ["a.ome.tiff"])
    (tmp_path / "masks").mkdir()
    values = np.asarray(Image.open(picture / "mask.png"))
    if mask.endswith(".tiff"):
        tifffile.imwrite(tmp_path / "masks" / mask, values, tile=(64, 64))
    else:
        shutil.copy(picture / "mask.png", tmp_path / "masks" / mask)
    (tmp_path / "table.csv").write_text("image_id,gleason_score,patient_id\na,4+4,p\n")
    request = replace(request, masks=tmp_path / "masks", labels=tmp_path / "table.csv")
    report = tile_slides(request)
    assert not report.without_mask and not report.without_score and report.labels["GG4"] > 0
    assert set(read_set(request.out, TILE).slides) == {"a"}
    assert (request.out / "patches/a.h5").is_file()
    if mask == "a_mask.png":
        again = replace(request, out=tmp_path / "again", coordinates=request.out / "patches")
        assert tile_slides(again).labels == report.labels
        (request.out / "patches/a.h5").rename(request.out / "patches/a.ome_patches.h5")
        (job,) = list_jobs(again).jobs
        assert job.coordinates is not None and not job.fault


def test_tiles_that_were_cut_under_the_name_with_ome_are_cut_anew(
    tmp_path: Path, picture: Path
) -> None:
    request = request_for(tmp_path, picture, ["a.ome.tiff", "b.png"])
    tile_slides(request)
    expected = contents(request.out)
    (request.out / "slides/a.json").rename(request.out / "slides/a.ome.json")
    (request.out / "thumbnails/a.jpg").rename(request.out / "thumbnails/a.ome.jpg")
    (request.out / "patches/a.h5").rename(request.out / "patches/a.ome.h5")
    for folder in ("images", "masks"):
        for path in (request.out / folder).glob("a_*"):
            path.rename(path.with_name(path.name.replace("a_", "a.ome_", 1)))
    tile_slides(request)
    assert contents(request.out) == expected


def test_a_kill_while_former_tiles_are_taken_away(
    tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record still said that they stood, and the set listed images that were gone."""
    request = request_for(tmp_path, picture, ["a.png", "b.png"])
    tile_slides(request)
    expected = contents(request.out)
    second = request.slides / "a .png"
    shutil.copy(request.slides / "a.png", second)
    unlink = Path.unlink

    def stop(path: Path, *args: Any, **kwargs: Any) -> None:
        unlink(path, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", stop)
    with pytest.raises(KeyboardInterrupt):
        tile_slides(request)
    monkeypatch.undo()
    second.unlink()
    assert contents(request.out) != expected
    tile_slides(request)
    assert contents(request.out) == expected
