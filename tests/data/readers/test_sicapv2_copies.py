"""Copies of SICAPv2 as they circulate, each made from a small set that Pillow and pandas wrote."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.readers.read import read_source
from disc.data.readers.sicapv2 import read_set, read_split
from disc.data.readers.source import Source
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from tests.data.conftest import GRADE_OF, SIDE, SLIDES, name_of, save_book, tile_row

INDEX = {0: 0, 3: 1, 4: 2, 5: 3}
"""From grade to label."""
GREY = {0: 0, 3: 50, 4: 100, 5: 200}


def rewrite_masks(root: Path, change: Callable[[np.ndarray], np.ndarray], suffix: str) -> None:
    for path in sorted((root / "masks").glob("*.png")):
        with Image.open(path) as image:
            values = np.asarray(image).copy()
        path.unlink()
        Image.fromarray(change(values)).save(path.with_suffix(suffix))


def labels_found(tiles: TileSet) -> dict[str, set[int]]:
    return {tile.name: set(np.unique(tiles.mask(i)).tolist()) for i, tile in enumerate(tiles.tiles)}


def truth() -> dict[str, set[int]]:
    return {name_of(s, row): {INDEX[GRADE_OF[s]], 255} for s in SLIDES for row in range(3)}


def as_index(values: np.ndarray) -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    for grade, index in INDEX.items():
        table[grade] = index
    return table[values]


def test_version_2(tiny_set: Path) -> None:
    tiles = read_source(Source(root=tiny_set))
    assert labels_found(tiles) == truth() and tiles.tile_px == SIDE
    assert any("values 0, 3, 4, 5 or 255" in note for note in tiles.notes)
    assert any("1 file(s) are no images, first Thumbs.db" in note for note in tiles.notes)
    assert any("4 in no workbook" in note for note in tiles.notes)


def test_masks_of_0_to_3(tiny_set: Path) -> None:
    rewrite_masks(tiny_set, as_index, ".png")
    tiles = read_source(Source(root=tiny_set))
    assert labels_found(tiles) == truth()
    assert any("values 0, 1, 2, 3 or 255, decided on" in note for note in tiles.notes)


@pytest.mark.parametrize(("slide", "expected"), [("18B04", 3), ("16B01", 1)])
def test_workbooks_tell_whether_3_is_gg3_or_gg5(tiny_set: Path, slide: str, expected: int) -> None:
    """Masks of 0 and 3 alone: the tile's label decides."""
    for name in SLIDES:
        for row in range(3):
            values = np.full((SIDE, SIDE), 3 if name == slide else 0, np.uint8)
            Image.fromarray(values).save(tiny_set / "masks" / f"{name_of(name, row)}.png")
    tiles = read_source(Source(root=tiny_set))
    assert labels_found(tiles)[name_of(slide, 1)] == {expected}


def test_undecided_masks_name_the_option(tiny_set: Path) -> None:
    for row in range(3):  # unlisted or of another grade than 3 and 5
        for name in SLIDES:
            values = np.full((SIDE, SIDE), 3 if name == "16B02" else 0, np.uint8)
            Image.fromarray(values).save(tiny_set / "masks" / f"{name_of(name, row)}.png")
    with pytest.raises(BadInput, match=r"do not tell whether 3 is GG3 or GG5; say --encoding"):
        read_source(Source(root=tiny_set))
    for encoding, label in (("grades", 1), ("indices", 3)):
        tiles = read_source(Source(root=tiny_set, encoding=encoding))
        assert labels_found(tiles)[name_of("16B02", 0)] == {label}


def test_one_stray_value_is_refused_where_it_is(tiny_set: Path, first_mask: Path) -> None:
    values = np.full((SIDE, SIDE), 3, np.uint8)
    values[0, 0] = 1
    Image.fromarray(values).save(first_mask)
    tiles = read_source(Source(root=tiny_set))
    with pytest.raises(BadInput, match="found value 1"):
        tiles.mask(0)
    assert set(np.unique(tiles.mask(1))) == {1, 255}


def as_grey(values: np.ndarray) -> np.ndarray:
    table = np.zeros(256, np.uint8)
    for grade, grey in GREY.items():
        table[grade] = grey
    return table[values]


def test_grey_jpeg_masks_of_version_1(tiny_set: Path) -> None:
    rewrite_masks(tiny_set, as_grey, ".jpg")
    with pytest.warns(UserWarning, match="fetch version 2"):
        tiles = read_source(Source(root=tiny_set))
    for index, tile in enumerate(tiles.tiles):
        # the first rows, unknown in version 2, are 0 here; JPEG smears the border
        assert set(np.unique(tiles.mask(index)[8:])) == {INDEX[GRADE_OF[tile.slide_id]]}


def test_greys_take_the_grade_of_the_tiles_that_they_fill(tiny_set: Path) -> None:
    """175 means GG4 here, as the workbook says; without it that is unknown."""
    rows = [tile_row("16B02", row, grade=4) for row in range(3)]
    train = [*(tile_row(s, r) for s in ("16B01", "17B03A") for r in range(2)), *rows]
    save_book(tiny_set / "partition", "Test/Train", train)
    rewrite_masks(tiny_set, lambda v: np.where(v == 4, 175, as_grey(v)).astype(np.uint8), ".jpg")
    with pytest.warns(UserWarning, match=r"by the workbooks: \{175: 4\}"):
        tiles = read_source(Source(root=tiny_set))
    assert set(np.unique(tiles.mask(tiles.bag("16B02")[0])[8:])) == {2}


def test_masks_of_two_archives_are_refused(tiny_set: Path, first_mask: Path) -> None:
    Image.new("L", (SIDE, SIDE)).save(first_mask.with_suffix(".jpg"))
    first_mask.unlink()
    with pytest.raises(BadInput, match="a JPEG mask beside PNG masks"):
        read_source(Source(root=tiny_set))


def test_workbooks_as_csv_with_an_index(tiny_set: Path) -> None:
    for path in [*tiny_set.rglob("*.xlsx")]:
        pd.read_excel(path).to_csv(path.with_suffix(".csv"), index=True)
        path.unlink()
    tiles = read_source(Source(root=tiny_set))
    split = read_split(tiny_set, "Val1", tiles)
    assert [len(part) for part in (split.train, split.val, split.test)] == [4, 2, 2]
    assert tiles.slides["16B02"].patient_id == "7"


def test_unlabeled_rows_do_not_count(tiny_set: Path) -> None:
    labelled = [{**tile_row(s, 0), "unlabeled": 0} for s in ("16B01", "16B02", "17B03A")]
    repeated = [{**row, "NC": 0, "G3": 0, "G4": 0, "unlabeled": 1} for row in labelled]
    repeated.append({**repeated[0], "image_name": f"{name_of('16B01', 2)}.jpg"})
    save_book(tiny_set / "partition", "Test/Train", [*labelled, *repeated])
    tiles = read_set(tiny_set, SIDE)
    assert sum(tile.split == "train" for tile in tiles.tiles) == 3
    assert next(t for t in tiles.tiles if t.name == name_of("16B01", 2)).label is None


def test_official_parts_and_scale(tiny_set: Path) -> None:
    tiles = read_set(tiny_set, SIDE)
    parts = {tile.name: tile.split for tile in tiles.tiles}
    assert parts[name_of("18B04", 0)] == "test" and parts[name_of("16B01", 1)] == "train"
    assert parts[name_of("16B01", 2)] == ""
    assert {tile.um_per_px for tile in tiles.tiles} == {0.92}
    targets = read_source(Source(root=tiny_set, um_per_px=1.0))
    assert {tile.um_per_px for tile in targets.tiles} == {1.0}


def test_cribriform(tiny_set: Path) -> None:
    """G4C in the main workbook, or else in the one called Cribfriform."""
    name = name_of("16B02", 1)
    rows = [tile_row(s, r) for s in ("16B01", "16B02", "17B03A") for r in range(2)]
    marked = [{**r, "G4C": int(r["image_name"] == f"{name}.jpg")} for r in rows]
    save_book(tiny_set / "partition", "Test/Train", marked)
    by_name = {t.name: t for t in read_set(tiny_set, SIDE).tiles}
    assert by_name[name].is_cribriform and by_name[name_of("16B02", 0)].is_cribriform is False
    bare = [{k: v for k, v in row.items() if k != "G4C"} for row in rows]
    save_book(tiny_set / "partition", "Test/Train", bare)
    assert {t.is_cribriform for t in read_set(tiny_set, SIDE).tiles if t.split == "train"} == {None}
    beside = [{"image_name": r["image_name"], "G4C": r["G4C"]} for r in marked if r["G4"]]
    save_book(tiny_set / "partition", "Test/TrainCribfriform", beside)
    by_name = {t.name: t for t in read_set(tiny_set, SIDE).tiles}
    assert by_name[name].is_cribriform and by_name[name_of("16B02", 0)].is_cribriform is False
    assert by_name[name_of("16B01", 0)].is_cribriform is None


def twice(root: Path) -> str:
    path = root / "images" / f"{name_of('16B01', 0)}.jpg"
    path.with_suffix(".JPG").write_bytes(path.read_bytes())
    return f"{path}: has the same name as"


def link_outside(root: Path) -> str:
    path = root / "images" / f"{name_of('16B01', 0)}.jpg"
    path.rename(root / "elsewhere.jpg")
    path.symlink_to(root / "elsewhere.jpg")
    return f"{path}: a link out of the folder"


def folder_for_a_file(root: Path) -> str:
    path = root / "masks" / f"{name_of('16B01', 0)}.png"
    path.unlink()
    path.mkdir()
    return f"{path}: not a file"


@pytest.mark.parametrize("change", [twice, link_outside, folder_for_a_file])
def test_odd_files_are_refused(tiny_set: Path, change: Callable[[Path], str]) -> None:
    expected = change(tiny_set)
    with pytest.raises(BadInput) as caught:
        read_set(tiny_set, SIDE)
    assert expected in str(caught.value)


def test_larger_tiles_are_resized_only_when_asked(tiny_set: Path) -> None:
    tiles = read_source(Source(root=tiny_set, tile_px=16))
    with pytest.raises(BadInput, match="32 x 32 px; expected 16 x 16 px"):
        tiles.image(0)
    small = read_source(Source(root=tiny_set, tile_px=16, fit="resize"))
    assert small.image(0).shape == (16, 16, 3)
    assert np.array_equal(small.mask(0), read_set(tiny_set, SIDE).mask(0)[::2, ::2])
    with pytest.raises(BadInput, match=r"expected a square of 64 px or more"):
        read_source(Source(root=tiny_set, tile_px=64, fit="resize")).image(0)


def test_rims_are_cleaned_when_asked(tiny_set: Path, first_mask: Path) -> None:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[:, :12], values[:, 12:14], values[:, 14:] = 0, 4, 5
    Image.fromarray(values).save(first_mask)
    source = Source(root=tiny_set)
    assert set(np.unique(read_source(source).mask(0))) == {0, 2, 3}
    assert set(np.unique(read_source(replace(source, artefact_px=4)).mask(0))) == {0, 3}


def test_options_of_other_kinds_are_refused(tiny_set: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="kind sicapv2 has no option coordinates, ties"):
        read_source(Source(root=tiny_set, ties="lower", coordinates=tmp_path))
    (tmp_path / "other" / "pictures").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"no set that is known \(found pictures\); say with --kind"):
        read_source(Source(root=tmp_path / "other"))
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        read_source(Source(root=tmp_path / "nowhere"))
