"""Sets of other layouts, written in SICAPv2's and read back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.readers.sicapv2 import read_set, read_split
from disc.data.readers.source import Source
from disc.data.writing.convert import convert_set
from disc.data.writing.request import ConvertRequest
from disc.files import BadInput

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


def request(root: Path, out: Path) -> ConvertRequest:
    source = Source(root=root, kind="lapc", tile_px=SIDE, fit="resize", um_per_px=0.5)
    return ConvertRequest(source=source, out=out)


def test_a_converted_set_is_read_as_any(tmp_path: Path) -> None:
    write_lapc(tmp_path / "lapc", 10)
    said = convert_set(request(tmp_path / "lapc", tmp_path / "set"))
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
    said = convert_set(request(tmp_path / "lapc", tmp_path / "set"))
    assert "all in Test/Test" in said
    parts = [tile.split for tile in read_set(tmp_path / "set", SIDE).tiles]
    assert sorted(parts) == ["", "", "", "test", "test", "test"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(BadInput, match="mine: is not an empty folder; give a new one with --out"):
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
    assert "6 tiles of 6 slides" in convert_set(targets)
    other = request(tmp_path / "lapc", tmp_path / "set")
    with pytest.raises(BadInput, match="holds tiles of another request"):
        convert_set(ConvertRequest(source=other.source, out=other.out, seed=1))
