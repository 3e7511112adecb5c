"""Feature files as CLAM and TRIDENT write them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from disc.files import BadInput
from disc.grade.encoder import encode_slides
from disc.grade.features import read_feature_file, write_features
from tests.grade.tile_sets import write_set

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)
COORDS = np.array([[0, 0], [512, 0], [0, 512], [512, 512]])


def write(path: Path, features: np.ndarray, coords: np.ndarray | None, **attributes) -> Path:
    with h5py.File(path, "w") as file:
        file["features"] = features
        if coords is not None:
            file["coords"] = coords
            file["coords"].attrs.update(attributes)
    return path


def test_tridents_files_are_read(tmp_path: Path) -> None:
    facts = {
        "patch_size": 256,
        "patch_size_level0": 512,
        "level0_magnification": 40,
        "target_magnification": 20,
        "overlap": 0,
    }
    found = read_feature_file(
        write(tmp_path / "a.h5", FEATURES.astype(np.float16), COORDS, **facts)
    )
    np.testing.assert_array_equal(found.features, FEATURES)
    np.testing.assert_array_equal(found.coords, COORDS)
    assert (found.features.dtype, found.tile_px, found.labels) == (np.float32, 512, None)


def test_clams_files_are_read(tmp_path: Path) -> None:
    facts = {"patch_size": 256, "patch_level": 1, "downsample": np.array([4.0, 4.0])}
    found = read_feature_file(write(tmp_path / "a.h5", FEATURES[None], COORDS[None], **facts))
    np.testing.assert_array_equal(found.features, FEATURES)
    np.testing.assert_array_equal(found.coords, COORDS)
    assert found.tile_px == 1024


def test_ours_are_read_back_and_have_what_both_look_for(tmp_path: Path) -> None:
    labels = np.array([0, 3, 255, 1], np.uint8)
    write_features(tmp_path / "a.h5", FEATURES, COORDS, 64, labels)
    found = read_feature_file(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.features, FEATURES)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.tile_px == 64
    with h5py.File(tmp_path / "a.h5") as file:
        assert dict(file["coords"].attrs) == {"patch_size": 64, "name": "a"}


def test_boxes_on_slides_say_their_side_at_level_0(tmp_path: Path) -> None:
    """Where coordinates are; tiles that are files know that of themselves alone."""

    class Blind:
        def read(self, slide_id: str, images: Iterator[np.ndarray]) -> np.ndarray:
            return np.ones((2, 3), np.float32)

    tiles = write_set(tmp_path, [3], tiles_each=2)
    boxes = replace(tiles, tiles=tuple(replace(tile, box_px=127.6) for tile in tiles.tiles))
    for name, given in (("boxes", boxes), ("files", tiles)):
        encode_slides(Blind(), given, tmp_path / name)
    found = [read_feature_file(tmp_path / name / "s0.h5").tile_px for name in ("boxes", "files")]
    assert found == [128, 32]
    with h5py.File(tmp_path / "boxes" / "s0.h5") as file:
        assert file["coords"].attrs["patch_size"] == 32


def test_features_alone_are_enough_to_read(tmp_path: Path) -> None:
    found = read_feature_file(write(tmp_path / "a.h5", FEATURES, None))
    assert (found.coords, found.tile_px) == (None, None)


def test_places_of_other_tiles_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", FEATURES, COORDS[:3], patch_size=256)
    with pytest.raises(BadInput, match=r"a\.h5: 3 coords of 4 tiles"):
        read_feature_file(path)


def test_a_file_of_coordinates_alone_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["coords"] = COORDS
    with pytest.raises(BadInput, match="not a feature file"):
        read_feature_file(tmp_path / "a.h5")
