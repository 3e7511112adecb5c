"""Tiles and masks as files: read strictly, written the same way everywhere."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from disc.data.pixels.mask_values import SICAPV2, UNEXPLAINED, Meaning
from disc.data.pixels.strict import decode, open_strictly
from disc.files import BadInput, reason
from disc.labels import GRADES, IGNORE

Pixels = npt.NDArray[np.uint8]
Fit = Literal["exact", "resize", "crop"]
"""Images of another size than requested: refused; squares resized; central squares resized."""

_EXPECTED: Mapping[Fit, str] = {
    "exact": "expected {0} x {0} px, as all tiles and masks of the set (data.tile_px); or have "
    "larger ones resized with --fit resize (disc run: --data.fit resize)",
    "resize": "expected a square of {0} px or more; --fit crop takes the central square",
    "crop": "expected {0} px or more each way; tiles are not enlarged",
}

_TO_VALUE = np.full(256, UNEXPLAINED, np.uint8)
"""Label -> value of a pixel in a mask file."""
for _label, _value in [*GRADES.items(), (IGNORE, IGNORE)]:
    _TO_VALUE[_label] = _value

_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error),
    # from tags of a damaged TIFF
    *(LookupError, TypeError, ArithmeticError, RuntimeError, MemoryError),
)
# A header that claims an enormous image is an error here, not a remark on standard error.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def read_image(path: Path, tile_px: int, fit: Fit | int = "exact") -> Pixels:
    """A tile, uint8 [tile_px, tile_px, 3].

    Args:
        path: JPEG, PNG or TIFF.
        tile_px: side of the tile.
        fit: what is done with an image of another size; a number: its central square of so many
            pixels a side is resized.

    Raises:
        BadInput: if the file is missing, damaged, not RGB, or of a size that does not fit. The
            size is read from the header, before anything is decoded.
    """
    return _decode(path, tile_px, {"RGB"}, fit)


def read_mask(
    path: Path | None,
    tile_px: int,
    of: Path,
    *,
    meaning: Meaning = SICAPV2,
    fit: Fit | int = "exact",
) -> Pixels:
    """A mask, uint8 [tile_px, tile_px]: 0 NC, 1 GG3, 2 GG4, 3 GG5, 255 ignore.

    Args:
        path: of 8-bit values; None: there is none.
        tile_px: side of the mask.
        of: the tile that it belongs to.
        meaning: what the values mean.
        fit: what is done with a mask of another size; values are never mixed.

    Raises:
        BadInput: if the mask is missing, damaged, of a size that does not fit, or holds a value
            without a meaning.
    """
    return meaning.decode(read_values(path, tile_px, of, fit=fit), path or of)


def read_values(path: Path | None, tile_px: int, of: Path, *, fit: Fit | int = "exact") -> Pixels:
    """What a mask file holds, uint8 [tile_px, tile_px]; arguments and errors as in `read_mask`."""
    if path is None:
        raise BadInput(f"{of}: has no mask; expected masks/{of.stem}.png beside images/")
    return _decode(path, tile_px, {"L", "P", "1"}, fit)


def measure_side(path: Path) -> int:
    """Side of a square image in pixels, from its header.

    Raises:
        BadInput: if it is not square, or not an image.
    """
    with open_image(path) as image:
        if image.width != image.height:
            raise BadInput(f"{path}: {image.width} x {image.height} px; give the side: --tile-px")
        return int(image.width)


def measure_size(path: Path) -> tuple[int, int]:
    """Width and height of an image in pixels, from its header.

    Raises:
        BadInput: if it is not an image.
    """
    with open_image(path) as image:
        return int(image.width), int(image.height)


def _decode(path: Path, tile_px: int, modes: Collection[str], fit: Fit | int) -> Pixels:
    with open_image(path) as image:
        _check_header(image, path, tile_px, modes, fit)
        pixels = decode(image, path)
        if image.size == (tile_px, tile_px) and fit in (*_EXPECTED, tile_px):
            return pixels
        side = fit if isinstance(fit, int) else min(image.size)
        return np.array(_fit(Image.fromarray(pixels), tile_px, side), np.uint8)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """An image, opened and not yet decoded.

    Raises:
        BadInput: if anything goes wrong with it, here or while it is decoded.
    """
    with tell_faults(path), open_strictly(path, ("JPEG", "PNG", "TIFF")) as image:
        yield image


@contextmanager
def tell_faults(path: Path) -> Iterator[None]:
    """Turn whatever Pillow raises for an image into one line.

    Raises:
        BadInput: that names it.
    """
    try:
        yield
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; restore it, or take it out of the set") from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{path}: not a JPEG or PNG image; replace the file") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(
            f"{path}: its header claims an enormous image; expected a tile of a few hundred px"
        ) from error
    except (*_UNREADABLE, UserWarning) as error:
        raise BadInput(f"{path}: damaged ({reason(error)}); replace the file") from error


def _check_header(
    image: Image.Image, path: Path, tile_px: int, modes: Collection[str], fit: Fit | int
) -> None:
    width, height = image.size
    is_fitting, expected = width == height == tile_px, ""
    if isinstance(fit, int):
        is_fitting = min(image.size) >= fit >= tile_px
        expected = f"expected {fit} px or more each way, which become a tile of {tile_px} px"
    elif fit != "exact":
        is_fitting = min(image.size) >= tile_px and (fit == "crop" or width == height)
    if not is_fitting:
        expected = expected or _EXPECTED[cast(Fit, fit)].format(tile_px)
        raise BadInput(f"{path}: {width} x {height} px; {expected}")
    if image.mode not in modes:
        kind = "an RGB image" if "RGB" in modes else "an 8-bit grey or palette mask"
        raise BadInput(f"{path}: pixels of mode {image.mode}; expected {kind}")


def _fit(image: Image.Image, tile_px: int, side: int) -> Image.Image:
    """Its central square in another size: colours averaged, values of masks kept."""
    left, top = ((length - side) // 2 for length in image.size)
    # Of an image made smaller, Pillow's bicubic filter averages all pixels below a new one.
    kind = Image.Resampling.BICUBIC if image.mode == "RGB" else Image.Resampling.NEAREST
    return image.resize((tile_px, tile_px), kind, box=(left, top, left + side, top + side))


def encode_jpeg(image: Pixels) -> bytes:
    """A tile as JPEG, quality 95, without chroma subsampling: the same for real and synthetic.

    Pillow's bytes, without what Pillow does before and after, which for a small tile takes longer.
    """
    return bytes(imagecodecs.jpeg8_encode(image, level=95, subsampling="444"))


def encode_mask(mask: Pixels) -> bytes:
    """A mask (annotated or exact) as 8-bit grey PNG with values 0, 3, 4, 5, 255.

    Raises:
        ValueError: if the mask holds anything but labels and 255.
    """
    # Far faster than an index into the table.
    values = mask.tobytes().translate(_TO_VALUE.tobytes())
    if UNEXPLAINED in values:
        label = mask.ravel()[values.index(UNEXPLAINED)]
        raise ValueError(f"a mask holds label {label}; labels are 0..3, 255")
    return encode_png(np.frombuffer(values, np.uint8).reshape(mask.shape))


def encode_png(pixels: Pixels) -> bytes:
    """Any 8-bit picture, grey or RGB, as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
