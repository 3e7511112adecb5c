"""Slides to tile: their names in the set, their scores, and files that are masks."""

import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.readers.sicapv2 import read_set
from disc.data.readers.sicapv2_tables import read_listed
from disc.data.tiling.jobs import list_jobs
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import tile_slides
from disc.files import BadInput
from tests.data.scans import draw_mask, generate

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


def test_names_that_become_the_same_or_nothing(tmp_path: Path, picture: Path) -> None:
    request = request_for(tmp_path, picture, ["a.png", " .png"])
    assert [job.fault for job in list_jobs(request).jobs] == [
        " .png: its name is blank; rename the file",
        "",
    ]
    shutil.copy(picture / "slide.png", tmp_path / "slides" / "a .png")
    with pytest.raises(BadInput, match=r"slides: a \.png, a\.png would all be called a; rename"):
        list_jobs(request)


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
    with pytest.raises(BadInput, match=r"a\.png, a\.tiff would all be called a; rename them"):
        list_jobs(replace(request, masks=tmp_path / "slides"))
