"""Images of several sizes that are resized to one: their scales are told apart, and said."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from disc.data.writing.box_scale import find_scale


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Three images of 48 px, one of 96, one that is none."""
    for name, side in (("a", 48), ("b", 48), ("c", 48), ("d", 96)):
        (tmp_path / "images").mkdir(exist_ok=True)
        pixels = np.zeros((side, side, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "images" / "e.png").write_bytes(b"no image")
    return tmp_path


def read(root: Path, **more: object):
    return read_source(Source(root=root, kind="folder", tile_px=24, fit="resize", **more))


def test_each_tile_has_the_scale_of_its_image(mixed: Path) -> None:
    tiles = read(mixed, um_per_px=0.5)
    widths = [tile.um_per_px for tile in tiles.tiles[:4]]
    assert widths == [1.0, 1.0, 1.0, 2.0]
    assert find_scale(tiles, []) is None
    (note,) = (note for note in tiles.notes if "px a side" in note)
    assert "images of 48 to 96 px a side all become tiles of 24 px" in note
    assert "differ by up to 2.00 times; --to-um-per-px" in note


def test_without_a_scale_it_is_said_too(mixed: Path) -> None:
    tiles = read(mixed)
    assert any("give --um-per-px, if it is known" in note for note in tiles.notes)
    assert all(tile.um_per_px is None for tile in tiles.tiles)


def test_one_scale_for_all_is_nothing_to_say(mixed: Path) -> None:
    tiles = read(mixed, um_per_px=0.5, to_um_per_px=1.0)
    assert {tile.um_per_px for tile in tiles.tiles} == {1.0}
    assert not any("px a side" in note for note in tiles.notes)
    assert find_scale(tiles, []) == 1.0
