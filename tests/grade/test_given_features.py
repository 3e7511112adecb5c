"""Features of another program: every slide has a file, all of one encoder, with places."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.features import read_feature_file, write_features
from disc.grade.given_features import GivenSet, check_features, copy_features, require_files


@pytest.fixture
def given(tmp_path: Path) -> GivenSet:
    names = ("A", "B", "A")
    tiles = tuple(
        Tile(name=f"{i}", slide_id=name, image=tmp_path / "images" / f"{i}", mask=None, x=0, y=0)
        for i, name in enumerate(names)
    )
    slides = {name: Slide(slide_id=name, patient_id=name) for name in names}
    tile_set = TileSet(slides=slides, tiles=tiles, tile_px=64)
    return GivenSet(tiles=tile_set, source=tmp_path / "theirs", target=tmp_path / "ours")


def write(path: Path, width: int = 5) -> None:
    places = np.array([(0, 0), (64, 0)])
    write_features(path, np.full((2, width), 0.25, np.float32), places, 64, level0_px=128)


def test_every_slide_is_copied_once_and_what_stands_is_kept(given: GivenSet) -> None:
    for name in "AB":
        write(given.source / f"{name}.h5")
    require_files([given], "--feature-files")
    check_features([given])
    write(given.target / "B.h5", width=7)
    copy_features([given])
    copied = read_feature_file(given.target / "A.h5")
    assert copied.features.shape == (2, 5) and copied.tile_px == 128
    assert copied.coords is not None and copied.coords.tolist() == [[0, 0], [64, 0]]
    assert read_feature_file(given.target / "B.h5").features.shape == (2, 7)


def test_what_does_not_fit_is_named(given: GivenSet) -> None:
    for name, width in {"A": 5, "B": 6}.items():
        write(given.source / f"{name}.h5", width)
    said = f"{given.source}/B.h5: 6 features a tile; {given.source}/A.h5 has 5; give"
    with pytest.raises(BadInput, match=re.escape(said)):
        check_features([given])
    with h5py.File(given.source / "B.h5", "w") as file:
        file["features"] = np.zeros((2, 5), np.float32)
    with pytest.raises(BadInput, match=re.escape(f"{given.source}/B.h5: its features have no coo")):
        check_features([given])
    (given.source / "B.h5").unlink()
    images = given.tiles.tiles[0].image.parent
    said = f"{given.source}/B.h5: no such file, as of 1 of 2 slides; encode them (tiles of this "
    with pytest.raises(BadInput, match=re.escape(f"{said}one: {images}), or correct --features")):
        require_files([given], "--features")
