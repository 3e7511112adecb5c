"""Image files opened and decoded strictly: damage that shows is refused, where Pillow continues."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from disc.files import BadInput, read_bytes

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY = 0
_CHANNELS = {_GREY: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Values a pixel, by PNG's type of colour."""
# What Pillow remarks on (a malformed directory of pictures, an odd animation) is damage in a tile.
warnings.filterwarnings("error", category=UserWarning, module=r"PIL\.(Jpeg|Png)ImagePlugin")


def open_strictly(path: Path, formats: tuple[str, ...] = ("JPEG", "PNG")) -> Image.Image:
    """An image, of which nothing but the header is read yet; decode its pixels with `decode`.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it is not a file, or cannot be read.
        Exception: whatever Pillow raises for anything else.
    """
    return Image.open(io.BytesIO(read_bytes(path)), formats=formats)


def decode(image: Image.Image, path: Path) -> npt.NDArray[np.uint8]:
    """The pixels, uint8 [H, W] or [H, W, 3], of an image that `open_strictly` opened.

    A JPEG is decoded by libjpeg-turbo directly, as Pillow does it, but what the library remarks
    on (a code that is none, bytes left over, an early end) is an error. A JPEG has no checksum:
    about one in five flipped bits shows in this way, the others change pixels and nothing else.
    The checksums of a PNG are checked, for Pillow passes over those that guard pixels.

    Raises:
        ValueError: if the data is damaged.
        BadInput: if it is a PNG whose values Pillow would change (16 bits, or 2 or 4 bits of
            grey), or one that unpacks to more than its pixels.
    """
    file = getattr(image, "fp", None)
    assert isinstance(file, io.BytesIO), "open images with open_strictly"
    if image.format == "PNG":
        _check_png(path, file.getvalue())
    if image.format != "JPEG" or image.mode not in {"L", "RGB"}:
        return np.array(image, np.uint8)
    space = "GRAY" if image.mode == "L" else "RGB"
    pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(file.getvalue(), colorspace=space)
    return pixels[..., 0] if image.mode == "L" else pixels


def _check_png(path: Path, data: bytes) -> None:
    packed = sum(length for kind, length in _chunks(data) if kind == b"IDAT")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, len(_SIGNATURE) + 8)
    if depth == 16 or (colour == _GREY and depth in {2, 4}):
        raise BadInput(f"{path}: has {depth} bits a value; expected 8")
    # Rows have a byte of their own, interlaced ones up to seven; zlib adds little to what it cannot
    # pack. A stream longer than that holds more than the pixels.
    max_bytes = (width * _CHANNELS.get(colour, 4) * depth // 8 + 8) * height * 2 + 1024
    if packed > max_bytes:
        raise BadInput(
            f"{path}: holds {packed:,} bytes of packed pixels for {width} x {height} px; "
            "replace the file"
        )


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and length of every chunk of a PNG."""
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        if place + 8 > len(data):
            raise ValueError("it ends early")
        (length,) = struct.unpack_from(">I", data, place)
        kind, end = data[place + 4 : place + 8], place + 8 + length
        if end + 4 > len(data):
            raise ValueError("it ends early")
        if zlib.crc32(memoryview(data)[place + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"wrong checksum of {kind.decode('ascii', 'replace')!r}")
        yield kind, length
        place = end + 4
