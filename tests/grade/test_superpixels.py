from dataclasses import replace
from pathlib import Path

import numpy as np

from disc.grade.bags import read_bags
from disc.grade.encoder import encode_superpixels
from disc.grade.features import read_feature_file
from disc.grade.superpixels import cut_superpixels, cut_windows
from tests.grade.tile_sets import write_set

SIDE = 64


def halves() -> tuple[np.ndarray, np.ndarray]:
    """A tile whose left is dark Non-Cancer and whose right is bright GG4, its top unknown."""
    image = np.full((SIDE, SIDE, 3), 60, np.uint8)
    image[:, SIDE // 2 :] = 200
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, SIDE // 2 :] = 2
    mask[: SIDE // 4] = 255
    return image, mask


def test_alike_neighbours_become_one_and_take_the_label_of_their_known_pixels() -> None:
    dark, bright = sorted(cut_superpixels(*halves()), key=lambda one: one.centre[0])
    assert (dark.label, bright.label) == (0, 2)
    np.testing.assert_allclose(dark.centre, (15.5, 31.5), atol=1.5)
    np.testing.assert_allclose(bright.centre, (47.5, 31.5), atol=1.5)


def test_where_nothing_is_known_the_label_is_unknown() -> None:
    image, mask = halves()
    assert {one.label for one in cut_superpixels(image, np.full_like(mask, 255))} == {255}


def test_windows_lie_in_the_tile_and_every_superpixel_has_one() -> None:
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    found = cut_superpixels(image, np.zeros((SIDE, SIDE), np.uint8))
    assert len(found) > 4
    assert all(one.windows for one in found)
    windows = list(cut_windows(image, found))
    assert {window.shape for window in windows} == {(SIDE // 2, SIDE // 2, 3)}
    assert sum(len(one.windows) for one in found) == len(windows)


def test_a_slides_superpixels_are_written_with_means_places_and_labels(tmp_path: Path) -> None:
    class Brightness:
        def read(self, slide_id, images):
            return np.array([[image.mean(), 1] for image in images], np.float32)

    tiles = write_set(tmp_path / "tiles", [5], tiles_each=2)
    moved = tuple(replace(tile, x=tile.x + 700, y=tile.y + 300) for tile in tiles.tiles)
    tiles = replace(tiles, tiles=moved)
    encode_superpixels(Brightness(), tiles, tmp_path / "out")
    found = read_feature_file(tmp_path / "out/s0.h5")
    expected, labels = [], []
    for index in range(2):
        image = tiles.image(index)
        for one in cut_superpixels(image, tiles.mask(index)):
            windows = [image[y : y + 16, x : x + 16].mean() for x, y in one.windows]
            expected.append([np.mean(windows), 1])
            labels.append(one.label)
    np.testing.assert_allclose(found.features, expected, rtol=1e-5)
    assert found.labels.tolist() == labels
    assert found.tile_px == tiles.tile_px
    # in their own tiles, wherever these lie on the slide
    assert (found.coords < tiles.tile_px).all() and (found.coords > 0).any()
    (bag,) = read_bags(tmp_path / "out", tiles.slides.values())
    assert bag.labels.tolist() == labels
    assert bag.tile_px == tiles.tile_px
