"""Images and masks of kinds that no tile has, and files that unpack to far more than they are."""

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from disc.files import BadInput

SIDE = 48


def save_pair(root: Path) -> None:
    for folder, mode in (("images", "RGB"), ("masks", "L")):
        (root / folder).mkdir()
        Image.new(mode, (SIDE, SIDE)).save(root / folder / "a.png")


@pytest.mark.parametrize(
    ("mode", "is_mask"),
    [
        *((mode, False) for mode in ("RGBA", "CMYK", "P", "L", "I;16")),
        *((mode, True) for mode in ("RGB", "RGBA", "I;16")),
    ],
)
def test_pixels_of_another_kind_are_refused(tmp_path: Path, mode: str, is_mask: bool) -> None:
    save_pair(tmp_path)
    path = tmp_path / ("masks" if is_mask else "images") / "a.png"
    path.unlink()
    path = path.with_suffix(".tif")
    Image.new(mode, (SIDE, SIDE)).save(path)
    tiles = read_source(Source(root=tmp_path, kind="folder", tile_px=SIDE))
    with pytest.raises(BadInput, match=f"pixels of mode {mode}[A-Z]*; expected") as caught:
        tiles.mask(0) if is_mask else tiles.image(0)
    assert str(path) in str(caught.value)


def test_a_png_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    """Comments and colour profiles can be bombs; neither is unpacked without a limit."""
    save_pair(tmp_path)
    path = tmp_path / "images" / "a.png"
    data, bomb = path.read_bytes(), zlib.compress(bytes(2**28), 9)
    body = b"zTXt" + b"note\0\0" + bomb
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(data[:33] + chunk + data[33:])
    tiles = read_source(Source(root=tmp_path, kind="folder", tile_px=SIDE))
    with pytest.raises(BadInput, match="damaged"):
        tiles.image(0)
