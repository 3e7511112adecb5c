"""The reader, on a set that Pillow and pandas wrote."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from disc.data.readers.sicapv2 import read_set, read_split
from disc.data.tiles.split import Split
from disc.files import BadInput
from disc.labels import Label
from tests.data.conftest import SIDE, SLIDES, name_of, save_book, slide_rows, tile_row


def load(root: Path) -> Split:
    return read_split(root, "Val1", read_set(root, SIDE))


def test_set(tiny_set: Path) -> None:
    tiles = read_set(tiny_set, SIDE)
    assert len(tiles) == 12 and set(tiles.slides) == set(SLIDES)
    one = next(tile for tile in tiles.tiles if tile.name == name_of("18B04", 1))
    assert (one.slide_id, one.x, one.y, one.label) == ("18B04", 7168, 1024, Label.GG5)
    assert tiles.slides["16B02"].patient_id == "7" == tiles.slides["16B01"].patient_id
    assert (tiles.slides["18B04"].primary, tiles.slides["18B04"].secondary) == (5, 4)
    unlisted = [tile for tile in tiles.tiles if tile.label is None]
    assert {tile.name for tile in unlisted} == {name_of(slide, 2) for slide in SLIDES}
    place = tiles.tiles.index(one)
    assert tiles.image(place).shape == (SIDE, SIDE, 3)
    assert set(np.unique(tiles.mask(place))) == {3, 255}
    assert [tiles.tiles[i].slide_id for i in tiles.bag("18B04")] == ["18B04"] * 3


def test_split(tiny_set: Path) -> None:
    split = load(tiny_set)
    assert [set(part.slides) for part in (split.train, split.val, split.test)] == [
        {"16B01", "16B02"},
        {"17B03A"},
        {"18B04"},
    ]
    assert [len(part) for part in (split.train, split.val, split.test)] == [4, 2, 2]
    assert not split.by_position


def test_the_papers_way_trains_on_every_fold(tiny_set: Path) -> None:
    whole = read_split(tiny_set, "All", read_set(tiny_set, SIDE))
    fold = load(tiny_set)
    trained = {tile.name for tile in whole.train.tiles}
    assert trained == {tile.name for part in (fold.train, fold.val) for tile in part.tiles}
    assert whole.val_is_seen
    assert not trained & {tile.name for tile in whole.test.tiles}


def test_a_set_that_is_all_test_says_what_it_is_for(tiny_set: Path) -> None:
    """As `disc convert` makes of few patients; a run asked for a workbook to be restored."""
    shutil.rmtree(tiny_set / "partition" / "Validation")
    with pytest.raises(BadInput, match=r"all of it is the test .*--data\.external-root"):
        load(tiny_set)


@pytest.mark.parametrize("nested", ["SICAPv2", "SICAPv2/SICAPv2"])
def test_nested_folders(tiny_set: Path, tmp_path: Path, nested: str) -> None:
    outer = tmp_path / "outer"
    (outer / nested).parent.mkdir(parents=True)
    tiny_set.rename(outer / nested)
    assert len(load(outer).train) == 4


def test_lenient_where_sets_in_the_wild_differ(tiny_set: Path) -> None:
    """Other case and spaces in headers, no G4C, numbers as text or float, a row twice."""
    rows = [tile_row(slide, 0) for slide in ("16B01", "16B02", "16B02")]
    for row in rows:
        del row["G4C"]
        row["G3"] = float(str(row["G3"]))
    renamed = [{f" {key.upper()} ": value for key, value in row.items()} for row in rows]
    save_book(tiny_set / "partition", "Validation/Val1/Train", renamed)
    slides = [{**row, "Gleason_primary": str(row["Gleason_primary"])} for row in slide_rows()]
    slides[2] |= {"Gleason_primary": "negative", "Gleason_secondary": "Negative"}
    slides[1] |= {"Gleason_primary": None, "Gleason_secondary": None}
    save_book(tiny_set, "wsi_labels", slides)
    split = load(tiny_set)
    assert [tile.label for tile in split.train.tiles] == [Label.GG3, Label.GG4]
    assert split.val.slides["17B03A"].primary == 0
    assert split.train.slides["16B02"].primary is None


def test_one_slide_is_split_by_position(tiny_set: Path) -> None:
    for path in [*tiny_set.glob("*/1[78]B*"), *tiny_set.glob("*/16B02*")]:
        path.unlink()
    for row, book in enumerate(("Validation/Val1/Train", "Validation/Val1/Test", "Test/Test")):
        save_book(tiny_set / "partition", book, [tile_row("16B01", row)])
    save_book(tiny_set / "partition", "Test/Train", [tile_row("16B01", 0)])
    split = load(tiny_set)
    assert split.by_position and [len(p) for p in (split.train, split.val, split.test)] == [1, 1, 1]


def leak_patient(root: Path) -> str:
    rows = [tile_row("16B02", 2)]
    save_book(root / "partition", "Test/Test", rows)
    return "1 patient(s) in both train and test, first 7"


def leak_tile(root: Path) -> str:
    rows = [tile_row("18B04", 0), tile_row("17B03A", 0)]
    save_book(root / "partition", "Test/Test", rows)
    return f"1 tile(s) in both val and test, first {name_of('17B03A', 0)}"


def drop_column(root: Path) -> str:
    path = root / "partition" / "Test" / "Train.xlsx"
    pd.read_excel(path).drop(columns="G4").to_excel(path, index=False)
    return f"{path}: no column G4; found image_name, NC, G3, G5, G4C; expected image_name, NC"


def drop_slide_column(root: Path) -> str:
    path = root / "wsi_labels.xlsx"
    pd.read_excel(path).drop(columns="patient_id").to_excel(path, index=False)
    return f"{path}: no column patient_id; found slide_id"


def break_workbook(root: Path) -> str:
    path = root / "partition" / "Test" / "Test.xlsx"
    path.write_bytes(path.read_bytes()[:900])
    return f"{path}: not a readable .xlsx workbook"


def two_labels(root: Path) -> str:
    row = {**tile_row("16B01", 0), "G5": 1}
    save_book(root / "partition", "Test/Train", [row])
    return f"{root / 'partition' / 'Test' / 'Train.xlsx'}: {name_of('16B01', 0)} has"


def contradiction(root: Path) -> str:
    rows = [tile_row("16B01", 0), tile_row("16B01", 0, grade=5)]
    save_book(root / "partition", "Test/Train", rows)
    return "is listed twice with different labels"


def remove_image(root: Path) -> str:
    (root / "images" / f"{name_of('16B01', 1)}.jpg").unlink()
    return f"1 listed tile(s) are not in {root / 'images'}, first {name_of('16B01', 1)}.jpg"


def remove_mask(root: Path) -> str:
    (root / "masks" / f"{name_of('16B01', 1)}.png").unlink()
    return f"{name_of('16B01', 1)}.jpg: has no mask (one of 1 in"


def misname_tile(root: Path) -> str:
    image = root / "images" / f"{name_of('16B01', 2)}.jpg"
    image.rename(image.with_name("16B01_x3_y4.jpg"))
    return "16B01_x3_y4.jpg: tile name '16B01_x3_y4' breaks the grammar {slide}_Block_Region_"


def forget_slide(root: Path) -> str:
    save_book(root, "wsi_labels", slide_rows()[1:])
    return f"{root / 'wsi_labels.xlsx'}: 1 slide(s) of images/ are not listed, first 16B01"


def impossible_score(root: Path) -> str:
    save_book(root, "wsi_labels", [*slide_rows()[1:], {**slide_rows()[0], "Gleason_primary": 2}])
    return f"{root / 'wsi_labels.xlsx'}: slide 16B01: Gleason grade 2"


def half_a_score(root: Path) -> str:
    rows = [*slide_rows()[1:], {**slide_rows()[0], "Gleason_secondary": None}]
    save_book(root, "wsi_labels", rows)
    return f"{root / 'wsi_labels.xlsx'}: slide 16B01: grade ''"


def empty_part(root: Path) -> str:
    header = pd.DataFrame(columns=["image_name", "NC", "G3", "G4", "G5"])
    header.to_excel(root / "partition" / "Test" / "Test.xlsx", index=False)
    return "Test.xlsx: lists no tiles"


CHANGES = (
    *(leak_patient, leak_tile, drop_column, drop_slide_column, break_workbook, two_labels),
    *(contradiction, remove_image, remove_mask, misname_tile, forget_slide, impossible_score),
    *(half_a_score, empty_part),
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_wrong_sets_are_refused_by_name(tiny_set: Path, change: Callable[[Path], str]) -> None:
    expected = change(tiny_set)
    with pytest.raises(BadInput) as caught:
        load(tiny_set)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_missing_root_folder_workbook(tiny_set: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: does not exist; give the folder of a"):
        read_set(tmp_path / "nowhere", SIDE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty: has no images/ in it"):
        read_set(tmp_path / "empty", SIDE)
    with pytest.raises(FileNotFoundError, match=r"Val4/Train\.xlsx: no such workbook"):
        read_split(tiny_set, "Val4", read_set(tiny_set, SIDE))
    with pytest.raises(BadInput, match="masks_exact: no such folder"):
        read_set(tiny_set, SIDE, masks="masks_exact")
    (tiny_set / "wsi_labels.xlsx").unlink()
    with pytest.raises(FileNotFoundError, match=r"wsi_labels\.xlsx: no such workbook"):
        read_set(tiny_set, SIDE)
