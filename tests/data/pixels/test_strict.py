"""Strict decoding, against Pillow's."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disc.data.pixels.strict import decode, open_strictly
from disc.files import BadInput

SIDE = 96


@pytest.fixture
def picture() -> Image.Image:
    steps = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(steps).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 95, "subsampling": 0},
        {"quality": 60, "subsampling": 2},
        {"quality": 80, "subsampling": 1, "progressive": True},
        {"quality": 90, "keep_rgb": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pixels_are_pillows(
    picture: Image.Image, tmp_path: Path, mode: str, options: dict[str, object]
) -> None:
    path = tmp_path / "tile.jpg"
    picture.convert(mode).save(path, "JPEG", **options)
    with Image.open(path) as image, open_strictly(path) as ours:
        assert np.array_equal(decode(ours, path), np.asarray(image))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_png_is_pillows(picture: Image.Image, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "tile.png"
    picture.convert(mode).save(path)
    with Image.open(path) as image, open_strictly(path) as ours:
        assert np.array_equal(decode(ours, path), np.asarray(image))


def test_every_bit_of_a_png_is_checked(picture: Image.Image, tmp_path: Path) -> None:
    """Pillow reads most of them: it passes over the checksum of pixels."""
    path, buffer = tmp_path / "tile.png", io.BytesIO()
    picture.convert("L").quantize(4).save(buffer, "PNG")
    data, rng, accepted = buffer.getvalue(), np.random.default_rng(0), 0
    for place in rng.choice(len(data), 300, replace=False):
        corrupted = bytearray(data)
        corrupted[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(corrupted)
        try:
            with open_strictly(path) as image:
                decode(image, path)
            accepted += 1
        except (BadInput, OSError, SyntaxError, ValueError):
            pass
    assert accepted == 0


def test_damage_that_pillow_passes_over(picture: Image.Image, tmp_path: Path) -> None:
    """Of bits flipped in a JPEG's pixels, some show; Pillow notices hardly any."""
    path, buffer = tmp_path / "tile.jpg", io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, subsampling=0)
    data, rng, found = buffer.getvalue(), np.random.default_rng(0), [0, 0]
    start = data.index(b"\xff\xda") + 14
    for place in rng.choice(np.arange(start, len(data) - 2), 200, replace=False):
        corrupted = bytearray(data)
        corrupted[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(corrupted)
        with Image.open(path) as image, open_strictly(path) as ours:
            found[0] += is_refused(image.load)
            found[1] += is_refused(lambda ours=ours: decode(ours, path))
    assert found[1] > 20 > found[0]


def is_refused(work: object) -> bool:
    assert callable(work)
    try:
        work()
    except (OSError, ValueError):
        return True
    return False
