"""Sets of other layouts, written in SICAPv2's and read back."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.readers.sicapv2 import read_set, read_split
from disc.data.readers.source import Source
from disc.data.tiles.records import Slide
from disc.data.writing.convert import convert_set, score_by_masks
from disc.data.writing.request import ConvertRequest
from disc.files import BadInput, read_json
from tests.data.scans import save_pyramid
from tests.data.writing.test_set_writer import contents

SIDE = 32


def write_lapc(root: Path, patients: int) -> None:
    """Two tiles of each patient, of one shade, with LAPC's values; the second has no mask."""
    for patient in range(patients):
        for folder in ("jpg_nameless", "mask_nameless"):
            (root / folder / f"P{patient}").mkdir(parents=True)
        for number in range(2):
            name = f"P{patient}/tile_{patient}_{number}"
            image = Image.new("RGB", (2 * SIDE, 2 * SIDE), (200, 20 * patient, 160))
            image.save(root / "jpg_nameless" / f"{name}.jpg", quality=95, subsampling=0)
            if number == 0:
                values = np.full((2 * SIDE, 2 * SIDE), patient % 4, np.uint8)
                values[: SIDE // 2] = 4
                Image.fromarray(values).save(root / "mask_nameless" / f"{name}.png")


def write_slides(root: Path, slides: int, tiles: int) -> None:
    """Slides with tiles of noise and no masks, and a table of them."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in [f"S{slide}_{tile:03}" for slide in range(slides) for tile in range(tiles)]:
        pixels = rng.integers(90, 250, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.png")
    rows = [(f"S{slide}", f"P{slide}") for slide in range(slides)]
    pd.DataFrame(rows, columns=["slide_id", "patient_id"]).to_csv(root / "slides.csv", index=False)


def request(root: Path, out: Path) -> ConvertRequest:
    source = Source(root=root, kind="lapc", tile_px=SIDE, fit="resize", um_per_px=0.5)
    return ConvertRequest(source=source, out=out, processes=1)


def test_only_patients_with_labels_can_fill_parts(tmp_path: Path) -> None:
    """Of ten, four have masks: five parts left one without a labelled tile."""
    write_lapc(tmp_path / "lapc", 10)
    for patient in range(4, 10):
        shutil.rmtree(tmp_path / "lapc" / "mask_nameless" / f"P{patient}")
    said = str(convert_set(request(tmp_path / "lapc", tmp_path / "set")))
    assert "4 with a label; all in Test/Test" in said


def test_a_converted_set_is_read_as_any(tmp_path: Path) -> None:
    write_lapc(tmp_path / "lapc", 10)
    said = str(convert_set(request(tmp_path / "lapc", tmp_path / "set")))
    assert "20 tiles of 20 slides, 10 with a label; 5 parts by patient" in said
    assert "10 without a mask" in said
    tiles = read_set(tmp_path / "set", SIDE)
    assert len(tiles) == 20 and {tile.um_per_px for tile in tiles.tiles} == {1.0}
    for index, tile in enumerate(tiles.tiles):
        _, patient, number = tile.slide_id.split("-")
        label = [1, 2, 3, 0][int(patient) % 4]
        assert tiles.slides[tile.slide_id].patient_id == f"P{patient}"
        assert np.abs(tiles.image(index).astype(int) - (200, 20 * int(patient), 160)).max() <= 3
        mask = tiles.mask(index)
        assert set(np.unique(mask[:7])) == ({0} if number == "0" else {255})
        assert set(np.unique(mask[9:])) == ({label} if number == "0" else {255})
        assert tile.label == (label if number == "0" else None)
    split = read_split(tmp_path / "set", "Val1", tiles)
    assert all(len(part) for part in (split.train, split.val, split.test))


def test_few_patients_are_all_tested(tmp_path: Path) -> None:
    write_lapc(tmp_path / "lapc", 3)
    said = str(convert_set(request(tmp_path / "lapc", tmp_path / "set")))
    assert "all in Test/Test" in said
    parts = [tile.split for tile in read_set(tmp_path / "set", SIDE).tiles]
    assert sorted(parts) == ["", "", "", "test", "test", "test"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(BadInput, match="mine: is not an empty folder; give a new one"):
        convert_set(request(tmp_path / "lapc", tmp_path / "mine"))


def test_slides_without_tiles_are_for_disc_tile(tmp_path: Path) -> None:
    (tmp_path / "train_images").mkdir()
    (tmp_path / "train_images" / "a.tiff").touch()
    rows = {"image_id": ["a"], "data_provider": ["radboud"], "gleason_score": ["3+3"]}
    pd.DataFrame(rows).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(BadInput, match="slides without tiles; cut them with disc tile"):
        convert_set(ConvertRequest(source=Source(root=tmp_path), out=tmp_path / "set"))


def test_a_set_that_was_mended_is_converted_into_the_same_folder(tmp_path: Path) -> None:
    write_lapc(tmp_path / "lapc", 3)
    broken = tmp_path / "lapc/jpg_nameless/P2/tile_2_1.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    targets = request(tmp_path / "lapc", tmp_path / "set")
    with pytest.raises(BadInput, match=r"tile_2_1\.jpg"):
        convert_set(targets)
    assert not (tmp_path / "set/set.json").exists()
    broken.write_bytes(whole)
    assert "6 tiles of 6 slides" in str(convert_set(targets))
    other = request(tmp_path / "lapc", tmp_path / "set")
    with pytest.raises(BadInput, match="holds tiles of another request"):
        convert_set(ConvertRequest(source=other.source, out=other.out, seed=1))


def test_tiles_of_an_earlier_try_are_not_in_the_set(tmp_path: Path) -> None:
    """Of a tile taken away, the next took its number: one picture was there twice."""
    write_slides(tmp_path / "own", 3, 40)
    source = Source(root=tmp_path / "own", kind="folder", slides=tmp_path / "own/slides.csv")
    asked = ConvertRequest(source=source, out=tmp_path / "set", processes=1)
    assert "120 tiles of 3 slides" in str(convert_set(asked))
    broken = tmp_path / "own/images/S0_003.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    with pytest.raises(BadInput, match=r"S0_003\.png"):
        convert_set(asked)
    broken.unlink()
    assert "119 tiles of 3 slides" in str(convert_set(asked))
    fresh = replace(asked, out=tmp_path / "fresh")
    convert_set(fresh)
    mended, new = contents(asked.out), contents(fresh.out)
    assert {**mended, "request.json": b""} == {**new, "request.json": b""}
    for path in (tmp_path / "own/images").glob("S2_*.png"):
        path.write_bytes(whole[:100])
    assert "79 tiles of 2 slides" in str(convert_set(replace(asked, skip_damaged=True)))
    assert len(read_set(asked.out, SIDE)) == len(list((asked.out / "masks").iterdir())) == 79


def test_a_set_that_is_written_anew_is_none_until_it_is_whole(tmp_path: Path) -> None:
    """Its tiles are numbered: half of them new, old workbooks would give them others' labels."""
    write_slides(tmp_path / "own", 3, 3)
    source = Source(root=tmp_path / "own", kind="folder", slides=tmp_path / "own/slides.csv")
    asked = ConvertRequest(source=source, out=tmp_path / "set", processes=1)
    convert_set(asked)
    (tmp_path / "own/images/S0_000.png").unlink()
    broken = tmp_path / "own/images/S1_001.png"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(BadInput, match=r"S1_001\.png"):
        convert_set(asked)
    with pytest.raises(FileNotFoundError, match=r"wsi_labels\.xlsx"):
        read_set(asked.out, SIDE)
    (asked.out / "images/mine.jpg").touch()
    broken.unlink()
    with pytest.raises(BadInput, match="'mine' breaks the grammar"):
        convert_set(asked)
    assert (asked.out / "images/mine.jpg").exists(), "what disc did not write is left alone"


def test_fewer_slides_leave_no_parts_of_more(tmp_path: Path) -> None:
    """Five patients can be divided into folds, four cannot; no old workbook lists test tiles."""
    write_slides(tmp_path / "own", 6, 3)
    table = tmp_path / "own/slides.csv"
    source = Source(root=tmp_path / "own", kind="folder", slides=table)
    asked = ConvertRequest(source=source, out=tmp_path / "set", processes=1)
    convert_set(asked)
    before = {path.relative_to(asked.out) for path in asked.out.glob("partition/**/*.xlsx")}
    for path in (tmp_path / "own/images").glob("S[45]_*.png"):
        path.unlink()
    rows = table.read_text().splitlines()
    table.write_text("\n".join(row for row in rows if not row.startswith(("S4", "S5"))) + "\n")
    convert_set(asked)
    after = {path.relative_to(asked.out) for path in asked.out.glob("partition/**/*.xlsx")}
    fresh = replace(asked, out=tmp_path / "fresh")
    convert_set(fresh)
    expected = {path.relative_to(fresh.out) for path in fresh.out.glob("partition/**/*.xlsx")}
    assert after == expected < before


def test_a_set_of_damaged_tiles_alone_takes_none_of_an_earlier_one_away(tmp_path: Path) -> None:
    write_slides(tmp_path / "own", 3, 2)
    source = Source(root=tmp_path / "own", kind="folder", slides=tmp_path / "own/slides.csv")
    asked = ConvertRequest(source=source, out=tmp_path / "set", processes=1, skip_damaged=True)
    convert_set(asked)
    for path in (tmp_path / "own/images").iterdir():
        path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(BadInput, match="every tile is damaged"):
        convert_set(asked)
    assert len(list((asked.out / "images").iterdir())) == 6


def test_jpegs_that_nothing_changes_keep_their_bytes(tmp_path: Path) -> None:
    """Fine colours at 4:2:0, quality 60: written anew, they changed and doubled in size."""
    write_lapc(tmp_path / "lapc", 3)
    noise = np.random.default_rng(0).integers(90, 250, (2 * SIDE, 2 * SIDE, 3), np.uint8)
    source = tmp_path / "lapc/jpg_nameless/P0/tile_0_0.jpg"
    Image.fromarray(noise).save(source, quality=60)
    asked = request(tmp_path / "lapc", tmp_path / "set")
    exact = replace(asked, source=replace(asked.source, tile_px=2 * SIDE, fit="exact"))
    convert_set(exact)
    (copy,) = (tmp_path / "set/images").glob("tile-0-0_*.jpg")
    assert copy.read_bytes() == source.read_bytes()
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(noise).save(source, quality=60, exif=exif)
    convert_set(replace(exact, out=tmp_path / "turned"))
    (copy,) = (tmp_path / "turned/images").glob("tile-0-0_*.jpg")
    assert copy.read_bytes() != source.read_bytes(), "turned pixels are written anew"


def test_damaged_tiles_are_left_out_and_listed_if_asked(tmp_path: Path) -> None:
    write_lapc(tmp_path / "lapc", 3)
    broken = tmp_path / "lapc/jpg_nameless/P2/tile_2_1.jpg"
    broken.write_bytes(broken.read_bytes()[:400])
    asked = request(tmp_path / "lapc", tmp_path / "set")
    with pytest.raises(BadInput, match=r"tile_2_1\.jpg"):
        convert_set(asked)
    said = str(convert_set(replace(asked, skip_damaged=True)))
    assert "left out: 1 damaged tile(s)" in said and f"  {broken}: damaged" in said
    assert "5 tiles of 5 slides" in said and len(read_set(tmp_path / "set", SIDE)) == 5


def test_processes_write_the_same_bytes(tmp_path: Path) -> None:
    write_lapc(tmp_path / "lapc", 20)
    asked = request(tmp_path / "lapc", tmp_path / "set")
    convert_set(asked)
    convert_set(replace(asked, out=tmp_path / "both", processes=2))
    one, two = contents(tmp_path / "set"), contents(tmp_path / "both")
    assert {**one, "request.json": b""} == {**two, "request.json": b""}


def test_a_folder_without_images_names_what_is_there(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "images/a.bmp")
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "masks/a.png")
    source = Source(root=tmp_path, kind="folder", masks=("masks",))
    with pytest.raises(BadInput, match=r"no images in it; expected .*; found 1 file\(s\) \.bmp"):
        convert_set(ConvertRequest(source=source, out=tmp_path / "set"))


def test_a_place_outside_of_the_slide_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("image_id,data_provider,gleason_score\na,radboud,3+3\n")
    save_pyramid(tmp_path / "train_images/a.tiff", np.full((512, 512, 3), 200, np.uint8))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        placed = file.create_dataset("coords", data=np.array([[0, 0], [5000, 0]]))
        placed.attrs["patch_size_level0"] = SIDE
    source = Source(root=tmp_path, coordinates=tmp_path, tile_px=SIDE)
    asked = ConvertRequest(source=source, out=tmp_path / "set", processes=1)
    with pytest.raises(BadInput, match=r"a\.tiff: 512 x 512 px, and a place at \(5000, 0\)"):
        convert_set(asked)
    assert "left out: 1 damaged" in str(convert_set(replace(asked, skip_damaged=True)))


def test_scores_are_derived_from_masks_if_asked(tmp_path: Path) -> None:
    """LAPC scores nobody: of GG3 with a rim of stroma, GG4 so, GG5 so, and benign."""
    write_lapc(tmp_path / "lapc", 4)
    asked = request(tmp_path / "lapc", tmp_path / "set")
    said = str(convert_set(replace(asked, scores_from_masks=True)))
    assert "scores of 4 slide(s) were derived from their masks" in said
    slides = read_set(tmp_path / "set", SIDE).slides
    scores = [slides[f"tile-{n}-0"].primary for n in range(4)]
    assert scores == [3, 4, 5, 0] and slides["tile-0-1"].primary is None
    one = {"a": Slide(slide_id="a", patient_id="a")}
    for counts, score in (
        ([9, 100, 40, 0], (3, 4)),
        ([9, 2, 100, 3], (4, 4)),
        ([9, 0, 0, 0], (0, 0)),
        ([0, 0, 0, 0], (None, None)),
    ):
        (found,) = score_by_masks(one, {"a": np.array(counts)}, []).values()
        assert (found.primary, found.secondary) == score


@pytest.mark.parametrize("given", [None, 7.0])
def test_boxes_have_the_scale_that_their_slides_say(tmp_path: Path, given: float | None) -> None:
    """Slides say 0.5 µm, squares of 256 px become 64: 2 µm, which the set did not record."""
    rows = "".join(f"{name},radboud,3+3\n" for name in "ab")
    (tmp_path / "train.csv").write_text(f"image_id,data_provider,gleason_score\n{rows}")
    picture = np.full((512, 512, 3), 200, np.uint8)
    for name in "ab":
        save_pyramid(tmp_path / f"train_images/{name}.tiff", picture)
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            placed = file.create_dataset("coords", data=np.array([[0, 0]]))
            placed.attrs["patch_size_level0"] = 256
    source = Source(root=tmp_path, coordinates=tmp_path, tile_px=64, um_per_px=given)
    convert_set(ConvertRequest(source=source, out=tmp_path / "set", processes=1))
    assert read_json(tmp_path / "set/set.json")["um_per_px"] == pytest.approx(2.0, rel=1e-3)
    save_pyramid(tmp_path / "train_images/b.tiff", picture, um=0.25)
    said = str(convert_set(ConvertRequest(source=source, out=tmp_path / "other", processes=1)))
    assert "slides differ in scale: tiles of b have 1 µm per pixel, of a 2" in said
    assert read_json(tmp_path / "other/set.json")["um_per_px"] is None
