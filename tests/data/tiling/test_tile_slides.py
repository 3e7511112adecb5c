"""`disc tile` on slides that tifffile wrote."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from disc.data.readers.sicapv2 import read_set, read_split
from disc.data.tiles.tile_set import TileSet
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import TileReport, tile_slides
from disc.files import BadInput
from tests.data.scans import HEIGHT, UM, VALUES, WIDTH, save_slide
from tests.data.writing.test_set_writer import contents

TILE, UM_PER_PX = 32, 4.7
SIDE = int(TILE * UM_PER_PX / UM)
"""Level-0 pixels that a tile surely covers."""


def save_table(root: Path, names: list[str], **columns: str) -> None:
    rows = [{"image_id": n, "data_provider": "radboud", "gleason_score": "4+3"} for n in names]
    pd.DataFrame([{**row, **columns} for row in rows]).to_csv(root / "train.csv", index=False)


def request_for(root: Path) -> TileRequest:
    return TileRequest(
        slides=root / "slides",
        masks=root / "masks",
        labels=root / "train.csv",
        out=root / "out",
        reach_um=0.0,
        tile_px=TILE,
        um_per_px=UM_PER_PX,
        edges="drop",
    )


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[TileRequest, TileReport, TileSet]:
    """A set made of a single slide."""
    root = tmp_path_factory.mktemp("one")
    save_slide(root, "my_slide")
    save_table(root, ["my_slide"])
    request = request_for(root)
    report = tile_slides(request)
    return request, report, read_set(request.out, TILE)


@pytest.fixture
def scan_folder(tmp_path: Path, one: tuple[TileRequest, TileReport, TileSet]) -> Path:
    """Slide, mask and table of `one`, to be corrupted."""
    for part in ("slides", "masks"):
        shutil.copytree(one[0].slides.parent / part, tmp_path / part)
    save_table(tmp_path, ["my_slide"])
    return tmp_path


def test_image_and_mask_show_the_same_place(
    one: tuple[TileRequest, TileReport, TileSet],
) -> None:
    """On this slide colour tells the label; masks must say what the pixels show."""
    _, report, tiles = one
    colours = np.array(list(VALUES.values()), float)
    labels = np.array([0, 0, 1, 2])
    assert len(tiles) > 50
    for i in range(len(tiles)):
        mask, distances = tiles.mask(i), tiles.image(i)[..., None, :] - colours
        shown = labels[(distances**2).sum(-1).argmin(-1)]
        is_inner = maximum_filter(mask, 5) == minimum_filter(mask, 5)
        assert is_inner.any() and np.mean((shown == mask)[is_inner]) > 0.99
    assert sum(report.labels.values()) == len(tiles) and report.labels["unlabelled"] == 0
    assert report.labels["GG3"] > 20 and report.labels["GG4"] > 20


def test_places(one: tuple[TileRequest, TileReport, TileSet]) -> None:
    request, _, tiles = one
    side = TILE * UM_PER_PX / UM
    step = side / 2
    assert {tile.slide_id for tile in tiles.tiles} == {"my-slide"}
    assert tiles.slides["my-slide"].primary == 4 and tiles.slides["my-slide"].secondary == 3
    for tile in tiles.tiles:
        row, column = (int(part) for part in tile.name.split("_")[4:6])
        assert abs(tile.x - column * step) <= 1 and abs(tile.y - row * step) <= 1
        assert tile.x + side <= WIDTH and tile.y + side <= HEIGHT
    facts = json.loads((request.out / "set.json").read_text())
    assert facts["tile_px"] == TILE and facts["um_per_px"] == UM_PER_PX


def test_every_tile_has_tissue_and_no_tissue_is_lost(
    one: tuple[TileRequest, TileReport, TileSet],
) -> None:
    _, _, tiles = one
    glass = np.array(VALUES[0])
    for i in range(len(tiles)):
        assert (np.abs(tiles.image(i) - glass).max(-1) > 20).mean() > 0.2
    covered = np.zeros((HEIGHT, WIDTH), bool)
    for tile in tiles.tiles:
        covered[tile.y : tile.y + SIDE, tile.x : tile.x + SIDE] = True
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inner = ((x - WIDTH / 2) / 500) ** 2 + ((y - HEIGHT / 2) / 1500) ** 2 < 1
    assert covered[inner].mean() > 0.99


def test_one_slide_is_divided_by_position(
    one: tuple[TileRequest, TileReport, TileSet],
) -> None:
    request, report, tiles = one
    split = read_split(request.out, "Val1", tiles)
    parts = (split.train, split.val, split.test)
    assert split.by_position and report.is_split_by_position
    for number, part in enumerate(parts):
        assert any(len(np.unique(part.mask(i))) > 1 for i in range(len(part)))
        seen = np.zeros((HEIGHT, WIDTH), bool)
        for tile in part.tiles:
            seen[tile.y : tile.y + SIDE, tile.x : tile.x + SIDE] = True
        for other in parts[number + 1 :]:
            assert not any(seen[t.y : t.y + SIDE, t.x : t.x + SIDE].any() for t in other.tiles), (
                "a pixel is in two parts"
            )
    listed = report.parts["Test/Train"] + report.parts["Test/Test"]
    assert listed + report.num_in_gaps == len(tiles)
    assert report.parts["Validation/Val1/Train"] == len(split.train)
    assert 0 < report.num_in_gaps < len(tiles) / 2
    assert f"{report.num_in_gaps} tile(s) lie in the gaps" in str(report)


def test_again_and_after_a_stop_the_same_bytes(
    one: tuple[TileRequest, TileReport, TileSet], tmp_path: Path
) -> None:
    request, report, _ = one
    again = replace(request, out=tmp_path / "again")
    assert tile_slides(again) == report
    before = contents(request.out)
    other = {**contents(again.out), "request.json": before["request.json"]}
    assert other == before
    for name in ("set.json", "wsi_labels.xlsx", "slides/my-slide.json"):
        (again.out / name).unlink()
    next((again.out / "images").iterdir()).unlink()
    assert tile_slides(again) == report
    assert {**contents(again.out), "request.json": before["request.json"]} == before


def test_overview_shows_outline_and_grid(one: tuple[TileRequest, TileReport, TileSet]) -> None:
    with Image.open(one[0].out / "thumbnails" / "my-slide.jpg") as picture:
        pixels = np.asarray(picture).astype(int)[:, : WIDTH // 4]
    assert pixels.shape[0] == HEIGHT // 4, "level 1, as it is"
    is_outline = (np.abs(pixels - (0, 140, 60)) < 30).all(-1)
    y, x = np.nonzero(is_outline)
    away = np.hypot((x * 4 - WIDTH / 2) / 600, (y * 4 - HEIGHT / 2) / 1600)
    assert len(away) > 500 and np.abs(away - 1).max() < 0.15, "around the core"


def test_many_patients_are_dealt_whole(tmp_path: Path) -> None:
    """Seven slides of six patients; one slide has neither mask nor score, and fills no part."""
    save_slide(tmp_path, "a", step=4)
    for name in "bcdefg":
        shutil.copy(tmp_path / "slides/a.tiff", tmp_path / f"slides/{name}.tiff")
        shutil.copy(tmp_path / "masks/a_mask.tiff", tmp_path / f"masks/{name}.tiff")
    (tmp_path / "masks" / "f.tiff").unlink()
    patients = dict(zip("abcdeg", [1, 1, 2, 3, 4, 5], strict=True))
    table = [
        {"image_id": name, "gleason_score": "4+3", "patient_id": patient}
        for name, patient in patients.items()
    ]
    pd.DataFrame(table).to_csv(tmp_path / "train.csv", index=False)
    request = replace(
        request_for(tmp_path), mask_values="radboud", um_per_px=8.0, overlap=0.0, min_tissue=0.2
    )
    report = tile_slides(request)
    assert not report.is_split_by_position and report.num_in_gaps == 0
    assert all(report.parts.values())
    assert report.num_slides == 7
    assert report.lines()[-1] == "without score: 1 slide(s), first f"
    assert list(report.without_mask) == ["f"] == list(report.without_score)
    tiles = read_set(request.out, TILE)
    assert report.labels["unlabelled"] == len(tiles.bag("f")) > 0
    assert (tiles.mask(tiles.bag("f")[0]) == 255).all()
    assert tiles.slides["b"].patient_id == tiles.slides["a"].patient_id == "1"


def corrupt(root: Path, change: str) -> TileRequest:
    request = request_for(root)
    if change == "slides":
        return replace(request, slides=root / "nowhere")
    if change == "masks":
        return replace(request, masks=root / "slides")
    if change == "out":
        (root / "out").mkdir()
        (root / "out" / "thesis.tex").write_text("years of work")
    if change == "fine":
        return replace(request, um_per_px=0.1)
    if change == "provider":
        save_table(root, ["my_slide"], data_provider="elsewhere")
    if change == "values":
        save_table(root, ["my_slide"], data_provider="karolinska")
    if change == "score":
        save_table(root, ["my_slide"], gleason_score="2+7")
    if change == "table":
        pd.DataFrame({"image_id": ["my_slide"]}).to_csv(root / "train.csv")
    if change == "tissue":
        return replace(request, min_tissue=1.0, tile_px=160)
    return request


REFUSALS = {
    "slides": "nowhere: no such slide or folder; correct its path",
    "masks": "slides: no mask of any slide; expected names like my_slide_mask.tiff",
    "out": "out: is not an empty folder; give a new one",
    "fine": "my_slide.tiff: has 0.5 µm per pixel, coarser than --um-per-px 0.1",
    "provider": "slide my_slide: data_provider is elsewhere",
    "values": "my_slide_mask.tiff; expected 0, 1 or 2; explain values with --values (disc tile:",
    "score": "train.csv: my_slide: '2+7' is not a Gleason score",
    "table": "train.csv: no column gleason_score; found",
    "tissue": "slides: no tile has 100% tissue; give a smaller --min-tissue",
}


@pytest.mark.parametrize("change", REFUSALS)
def test_wrong_requests_are_refused_by_name(scan_folder: Path, change: str) -> None:
    request = corrupt(scan_folder, change)
    with pytest.raises((BadInput, FileNotFoundError)) as caught:
        tile_slides(request)
    assert REFUSALS[change] in str(caught.value) and "\n" not in str(caught.value)
    assert not (request.out / "set.json").exists()
    assert not (request.out / "images").exists(), "a corrected request may use the same folder"
    assert change != "out" or [p.name for p in request.out.iterdir()] == ["thesis.tex"]


def test_another_request_does_not_mix_in(
    one: tuple[TileRequest, TileReport, TileSet],
) -> None:
    with pytest.raises(BadInput, match="holds tiles of another request"):
        tile_slides(replace(one[0], overlap=0.25))


@pytest.mark.parametrize("wrong", [{"tile_px": 50}, {"overlap": 1.0}, {"own_values": {1: 2}}])
def test_impossible_numbers(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="--"):
        TileRequest(slides=Path("a"), out=Path("b"), **wrong)
