"""Tiles and masks as files: read strictly, written the same way everywhere."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from disc.data.strict import decode, open_strictly
from disc.files import BadInput
from disc.labels import GRADES, IGNORE

Pixels = npt.NDArray[np.uint8]

_UNKNOWN = 254
_TO_VALUE = np.full(256, _UNKNOWN, np.uint8)
"""Label -> value of a pixel in a mask file."""
_TO_LABEL = np.full(256, _UNKNOWN, np.uint8)
"""Value of a pixel in a mask file -> label."""
for _label, _value in [*GRADES.items(), (IGNORE, IGNORE)]:
    _TO_VALUE[_label] = _value
    _TO_LABEL[_value] = _label

_UNREADABLE = (OSError, SyntaxError, ValueError, LookupError, EOFError, struct.error, zlib.error)
# A header that claims an enormous image is an error here, not a remark on standard error.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def read_image(path: Path, tile_px: int) -> Pixels:
    """A tile, uint8 [tile_px, tile_px, 3].

    Raises:
        BadInput: if the file is missing, damaged, not RGB, or of another size. The size is read
            from the header, before anything is decoded.
    """
    return _decode(path, tile_px, {"RGB"})


def read_mask(path: Path | None, tile_px: int, of: Path) -> Pixels:
    """A mask, uint8 [tile_px, tile_px]: 0 NC, 1 GG3, 2 GG4, 3 GG5, 255 ignore.

    Args:
        path: PNG with values 0, 3, 4, 5, 255; None: there is none.
        tile_px: expected side.
        of: the tile that it belongs to.

    Raises:
        BadInput: if the mask is missing, damaged, of another size, or holds another value.
    """
    if path is None:
        raise BadInput(f"{of}: has no mask; expected masks/{of.stem}.png beside images/")
    values = _decode(path, tile_px, {"L", "P"})
    labels = _TO_LABEL[values]
    if (labels == _UNKNOWN).any():
        found = values[labels == _UNKNOWN][0]
        raise BadInput(
            f"found value {found} in {path}; expected 0, 3, 4, 5 or 255 (0 Non-Cancer, "
            "3 to 5 Gleason grades, 255 unknown)"
        )
    return labels


def _decode(path: Path, tile_px: int, modes: Collection[str]) -> Pixels:
    try:
        with open_strictly(path) as image:
            _check_header(image, path, tile_px, modes)
            return decode(image, path)
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; restore it, or take it out of the set") from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{path}: not a JPEG or PNG image; replace the file") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(
            f"{path}: its header claims an enormous image; expected {tile_px} x {tile_px} px"
        ) from error
    except (*_UNREADABLE, UserWarning) as error:
        raise BadInput(f"{path}: damaged ({error}); replace the file") from error


def _check_header(image: Image.Image, path: Path, tile_px: int, modes: Collection[str]) -> None:
    if image.size != (tile_px, tile_px):
        width, height = image.size
        raise BadInput(
            f"{path}: {width} x {height} px; expected {tile_px} x {tile_px} px, as all tiles and "
            "masks of the set (data.tile_px)"
        )
    if image.mode not in modes:
        kind = "an RGB image" if "RGB" in modes else "an 8-bit grey or palette mask"
        raise BadInput(f"{path}: pixels of mode {image.mode}; expected {kind}")


def encode_jpeg(image: Pixels) -> bytes:
    """A tile as JPEG, quality 95, without chroma subsampling: the same for real and synthetic."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def encode_mask(mask: Pixels) -> bytes:
    """A mask (annotated or exact) as 8-bit grey PNG with values 0, 3, 4, 5, 255.

    Raises:
        ValueError: if the mask holds anything but labels and 255.
    """
    values = _TO_VALUE[mask]
    if (values == _UNKNOWN).any():
        raise ValueError(f"a mask holds label {mask[values == _UNKNOWN][0]}; labels are 0..3, 255")
    return encode_png(values)


def encode_png(pixels: Pixels) -> bytes:
    """Any 8-bit picture, grey or RGB, as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
