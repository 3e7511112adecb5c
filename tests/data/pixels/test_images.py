"""Tiles and masks as files, against Pillow."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disc.data.pixels.images import encode_jpeg, encode_mask, read_image, read_mask
from disc.files import BadInput

SIDE = 32
OTHER = Path("images/other.jpg")


def test_reads_what_pillow_wrote(first_image: Path, first_mask: Path) -> None:
    with Image.open(first_image) as image:
        assert np.array_equal(read_image(first_image, SIDE), np.asarray(image))
    mask = read_mask(first_mask, SIDE, of=first_image)
    assert set(mask[:4].ravel()) == {255} and set(mask[4:].ravel()) == {1}


def test_jpeg_keeps_colour_and_resolution() -> None:
    """Quality 95 without subsampling: thin red lines stay red, which 4:2:0 would wash out."""
    lines = np.full((SIDE, SIDE, 3), 255, np.uint8)
    lines[:, ::2] = (200, 0, 0)
    with Image.open(io.BytesIO(encode_jpeg(lines))) as image:
        back = np.asarray(image).astype(int)
    assert np.abs(back - lines).mean() < 4
    buffer = io.BytesIO()
    Image.fromarray(lines).save(buffer, "JPEG", quality=95, subsampling=2)
    with Image.open(buffer) as image:
        assert np.abs(np.asarray(image).astype(int) - lines).mean() > 12


def test_masks_survive_exactly(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).choice([0, 1, 2, 3, 255], (SIDE, SIDE)).astype(np.uint8)
    path = tmp_path / "mask.png"
    path.write_bytes(encode_mask(mask))
    assert np.array_equal(read_mask(path, SIDE, of=OTHER), mask)
    with Image.open(path) as image:
        assert image.mode == "L" and set(np.unique(image)) == {0, 3, 4, 5, 255}
    assert encode_mask(mask) == encode_mask(mask.copy())


def test_masks_hold_labels_only() -> None:
    with pytest.raises(ValueError, match="label 4"):
        encode_mask(np.full((2, 2), 4, np.uint8))


def read_first(image: Path, mask: Path) -> None:
    read_image(image, SIDE)
    read_mask(mask, SIDE, of=image)


def refusal(image: Path, mask: Path) -> str:
    with pytest.raises(BadInput) as caught:
        read_first(image, mask)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_value_seven(first_image: Path, first_mask: Path) -> None:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[5, 6] = 7
    Image.fromarray(values).save(first_mask)
    message = refusal(first_image, first_mask)
    assert f"found value 7 in {first_mask}; expected 0, 3, 4, 5 or 255" in message


@pytest.mark.parametrize("size", [(16, 16), (32, 64)])
def test_mask_of_another_size(first_image: Path, first_mask: Path, size: tuple[int, int]) -> None:
    Image.new("L", size).save(first_mask)
    message = refusal(first_image, first_mask)
    assert f"{first_mask}: {size[0]} x {size[1]} px; expected 32 x 32" in message


def test_missing(first_image: Path, first_mask: Path) -> None:
    first_mask.unlink()
    assert f"{first_mask}: no such file" in refusal(first_image, first_mask)
    with pytest.raises(BadInput, match=r"has no mask; expected masks/other\.png"):
        read_mask(None, SIDE, of=OTHER)


def test_truncated_jpeg(first_image: Path, first_mask: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    data = encode_jpeg(noise)
    for fraction in (0.9, 0.5):
        first_image.write_bytes(data[: int(len(data) * fraction)])
        assert f"{first_image}: damaged" in refusal(first_image, first_mask)


@pytest.mark.parametrize("data", [b"", b"hello", b"GIF89a" + bytes(40)])
def test_not_an_image(first_image: Path, first_mask: Path, data: bytes) -> None:
    first_image.write_bytes(data)
    assert f"{first_image}: not a JPEG or PNG image" in refusal(first_image, first_mask)


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_huge_header_is_refused_undecoded(first_image: Path, first_mask: Path, side: int) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    first_mask.write_bytes(b"\x89PNG\r\n\x1a\n" + body + struct.pack(">I", 99) + b"IDAT")
    assert f"{first_mask}: its header claims" in refusal(first_image, first_mask)


def test_grey_tile_and_coloured_mask(first_image: Path, first_mask: Path) -> None:
    Image.new("RGB", (SIDE, SIDE)).save(first_mask)
    assert f"{first_mask}: pixels of mode RGB; expected" in refusal(first_image, first_mask)
    Image.new("L", (SIDE, SIDE)).save(first_image)
    assert f"{first_image}: pixels of mode L; expected an RGB" in refusal(first_image, first_mask)


def test_damage_anywhere_gives_one_line(first_image: Path, first_mask: Path) -> None:
    """Any byte of a file changed: it reads, or it is refused by name; nothing else comes out."""
    rng, data = np.random.default_rng(0), bytearray(first_mask.read_bytes())
    for _ in range(200):
        broken = bytearray(data)
        broken[rng.integers(len(data))] = rng.integers(256)
        first_mask.write_bytes(broken)
        try:
            read_first(first_image, first_mask)
        except BadInput as error:
            assert str(first_mask) in str(error) and "\n" not in str(error)
