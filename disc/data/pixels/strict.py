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
_ORIENTATION, _BITS = 274, 258
"""TIFF's names, and EXIF's, of how a picture is turned, and of bits a value."""
_NOTED = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
"""Where Pillow keeps what says how a picture is turned."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its orientation."""
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
    """The pixels, upright, uint8 [H, W] or [H, W, 3], of an image that `open_strictly` opened.

    A JPEG is decoded by libjpeg-turbo directly, as Pillow does it, but what the library remarks
    on (a code that is none, bytes left over, an early end) is an error. A JPEG has no checksum:
    about one in five flipped bits shows in this way, the others change pixels and nothing else.
    The checksums of a PNG are checked, for Pillow passes over those that guard pixels.

    Raises:
        ValueError: if the data is damaged.
        BadInput: if it has values that Pillow would change (16 bits, or in a PNG 2 or 4 bits of
            grey), or is a PNG that unpacks to more than its pixels.
    """
    refuse_odd(image, path)
    pixels = _decode(image)
    turn = _TURNS.get(find_orientation(image))
    return pixels if turn is None else np.array(Image.fromarray(pixels).transpose(turn))


def refuse_odd(image: Image.Image, path: Path) -> None:
    """Refuse what Pillow would read as something else unnoticed; arguments as in `decode`.

    Raises:
        ValueError: if the data is damaged.
        BadInput: if values would be changed, or it unpacks to more than its pixels.
    """
    if image.format == "PNG":
        _check_png(path, _file_of(image).getvalue())
    if image.format == "TIFF":
        bits = np.ravel(getattr(image, "tag_v2", {}).get(_BITS, 8))
        if (bits > 8).any() and image.mode in {"RGB", "RGBA", "L"}:
            raise BadInput(f"{path}: has {bits.max()} bits a value; expected 8; convert the file")


def find_orientation(image: Image.Image) -> int:
    """How a picture is still to be turned, 1 (upright) to 8; of a PNG only once it was decoded.

    Pillow itself turns a TIFF when it decodes it.
    """
    return 1 if image.format == "TIFF" else said_orientation(image)


def said_orientation(image: Image.Image) -> int:
    """How a file says that its picture is turned, 1 (upright) to 8.

    Of a PNG it is known only once it was decoded, of a TIFF only before.
    """
    if image.format != "TIFF" and not any(name in image.info for name in _NOTED):
        return 1
    turned = image.getexif().get(_ORIENTATION, 1)
    return turned if isinstance(turned, int) and turned in _TURNS else 1


def _file_of(image: Image.Image) -> io.BytesIO:
    file = getattr(image, "fp", None)
    assert isinstance(file, io.BytesIO), "open images with open_strictly"
    return file


def _decode(image: Image.Image) -> npt.NDArray[np.uint8]:
    if image.format != "JPEG" or image.mode not in {"L", "RGB"}:
        return np.array(image, np.uint8)
    file = _file_of(image)
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
