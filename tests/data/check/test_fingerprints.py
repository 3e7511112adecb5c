"""The perceptual hash: what must be the same, and what must not."""

import io

import numpy as np
import pytest
from PIL import Image

from disc.data.check.fingerprints import find_same, take_print


def draw(seed: int, side: int = 128) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 250, (16, 16, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def compress(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def same(*pictures: Image.Image) -> list[list[int]]:
    prints = [take_print(picture) for picture in pictures]
    assert all(one is not None for one in prints)
    return find_same(np.stack([one for one in prints if one is not None]))


@pytest.mark.parametrize("transform", list(Image.Transpose), ids=lambda transform: transform.name)
def test_flipped_and_rotated_pictures_are_the_same(transform: Image.Transpose) -> None:
    others = [draw(seed) for seed in range(1, 6)]
    assert same(draw(0), *others, draw(0).transpose(transform)) == [[0, 6]]


def test_compressed_shrunk_and_stained_pictures_are_the_same() -> None:
    picture = draw(0)
    paler = Image.fromarray((np.asarray(picture) * 0.8 + 40).astype(np.uint8))
    versions = [compress(picture, 25), picture.resize((80, 80)), paler]
    assert same(draw(1), picture, *versions, draw(2)) == [[1, 2, 3, 4]]


def test_neighbours_with_half_in_common_are_not() -> None:
    strip = np.asarray(draw(0, 512))
    tiles = [strip[y : y + 128, x : x + 128] for y in (0, 64) for x in range(0, 385, 64)]
    assert same(*map(Image.fromarray, tiles)) == []


def test_the_outline_of_a_core_on_glass_does_not_make_tiles_the_same() -> None:
    cores = []
    for seed in range(8):
        pixels = np.full((128, 128, 3), 243, np.uint8)
        pixels[:, :60] = np.asarray(draw(seed))[:, :60] // 4 + 150
        cores.append(Image.fromarray(pixels))
    assert same(*cores) == []


def test_glass_has_no_fingerprint() -> None:
    noise = np.random.default_rng(0).normal(244, 2, (128, 128, 3)).astype(np.uint8)
    assert take_print(Image.fromarray(noise)) is None
    assert take_print(Image.new("RGB", (64, 64), "white")) is None


def test_many_copies_are_one_group() -> None:
    one = take_print(draw(0))
    assert one is not None
    assert find_same(np.stack([one] * 1300)) == [list(range(1300))]
    assert find_same(one[None]) == []


def test_glass_with_one_nucleus_has_no_fingerprint() -> None:
    """Two tiles of two slides that show glass and a nucleus at an edge were called the same."""
    for row in (20, 60):
        picture = np.full((128, 128, 3), 243, np.uint8)
        picture[row : row + 12, :10] = (90, 50, 140)
        assert take_print(Image.fromarray(picture)) is None
    picture[:, :30] = (200, 120, 170)
    assert take_print(Image.fromarray(picture)) is not None, "a rim of tissue is compared"
