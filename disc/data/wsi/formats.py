"""Files that hold a slide or its mask: which reader opens them, and what is refused unread."""

from __future__ import annotations

import logging
import os
import warnings
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import tifffile
from PIL import Image, ImageOps, UnidentifiedImageError

from disc.data.pixels.strict import said_orientation
from disc.data.wsi.imagej import read_imagej_scale
from disc.data.wsi.ome import StatedImage, find_ome_image
from disc.data.wsi.tiled_tiffs import TiledTiff
from disc.files import BadInput, reason

MAX_PLAIN_PIXELS = 89_000_000
"""A plain image is held whole in memory; a pyramid is not, and may be of any size."""
_MAX_TILE_PIXELS = 2**26
TURNED = "disc.orientation"
"""Property of a plain image: how its file says that it is turned, as EXIF has it."""
_DICOM_TRIED = 20
"""Files of a folder that are looked at, of which some may be no slide."""
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GREY, _COLOURS = {1}, {2, 6}
"""TIFF's names of colour spaces: black is 0; RGB and YCbCr."""

# What tifffile has to say of odd files is said once, in the refusal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def open_pyramid(path: Path, *, is_mask: bool = False) -> Any:
    """A slide with the interface of `openslide.OpenSlide`.

    OpenSlide reads it; what OpenSlide refuses, tiffslide does if it is a TIFF, or else Pillow.

    Args:
        path: of the file.
        is_mask: values count, not colours: palette images give their indices.

    Raises:
        BadInput: if it is no such file, not 8-bit colour (or, a mask, grey), too large for its
            kind, or says its resolution in a way that is not known; the header tells, before
            anything is decoded.
    """
    if path.is_dir():
        return _open_dicom(path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file; correct its path")
    if not os.access(path, os.R_OK):
        raise BadInput(f"{path}: may not be read; correct its permissions")
    with path.open("rb") as file:
        is_tiff = file.read(4) in _TIFF_STARTS
    described = _open_described(path, is_mask) if is_tiff else None
    if described is not None:
        return described
    try:
        return _check_tiles(path, TiledTiff(path) if is_tiff else openslide.OpenSlide(path))
    except openslide.OpenSlideError as error:
        refusal = error
    readers = (_open_tiff, _open_plain) if is_tiff else (_open_plain,)
    for reader in readers:
        try:
            return reader(path, is_mask)
        except BadInput:
            raise
        except Exception as error:  # foreign readers fail on damaged files in any way
            refusal = refusal if isinstance(error, UnidentifiedImageError) else error
    raise BadInput(
        f"{path}: not a slide that OpenSlide, tiffslide or Pillow reads ({refusal}); convert it to "
        "a tiled TIFF"
    ) from refusal


def find_dicom(folder: Path) -> Path | None:
    """A file of the slide that a folder of DICOM files is; None: OpenSlide reads none of them."""
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.glob("*.dcm") if path.is_file())
    for path in files[:_DICOM_TRIED]:
        with suppress(openslide.OpenSlideError):
            if openslide.OpenSlide.detect_format(path) == "dicom":
                return path
    return None


def _open_dicom(folder: Path) -> Any:
    path = find_dicom(folder)
    if path is None:
        raise BadInput(
            f"{folder}: is a folder; expected the file of a slide or mask, or a folder of DICOM "
            "files that OpenSlide reads"
        )
    try:
        return _check_tiles(folder, openslide.OpenSlide(path))
    except openslide.OpenSlideError as error:
        raise BadInput(
            f"{folder}: DICOM that OpenSlide does not read ({reason(error)}); convert it to a "
            "tiled TIFF"
        ) from error


def _check_tiff(path: Path, is_mask: bool, number: int) -> None:
    """Refuse samples that readers would turn into 8-bit colours of another meaning unnoticed."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.series[number].keyframe if number else file.pages.first
            bits, kind = np.ravel(page.bitspersample), int(page.photometric)
            turned = int(page.tags.valueof("Orientation", default=1))
    except Exception:  # then its readers will say what is wrong
        return
    if (bits != 8).any():
        raise BadInput(f"{path}: {bits.max()}-bit pixels; expected 8-bit; convert the file")
    if turned != 1:
        raise BadInput(
            f"{path}: its tag Orientation is {turned}; expected an upright slide (1), for readers "
            "differ in what they make of others; convert the file"
        )
    if kind not in (_COLOURS | _GREY if is_mask else _COLOURS):
        name = getattr(page.photometric, "name", kind)
        expected = "grey or RGB values" if is_mask else "RGB or YCbCr"
        raise BadInput(f"{path}: pixels are {name}; expected {expected}; convert the file")


def _check_tiles(path: Path, slide: Any) -> Any:
    """Refuse tiles of a pyramid that would fill the memory."""
    for level in range(slide.level_count):
        width, height = (
            int(slide.properties.get(f"openslide.level[{level}].tile-{side}", 1))
            for side in ("width", "height")
        )
        _check_tile(path, width * height)
    return slide


def _check_tile(path: Path, num_pixels: int) -> None:
    if num_pixels > _MAX_TILE_PIXELS:
        raise BadInput(
            f"{path}: its header says that tiles or strips have {num_pixels:,} px; expected at "
            f"most {_MAX_TILE_PIXELS:,}; convert it to a TIFF with tiles of 256 to 1024 px"
        )


def _open_tiff(path: Path, is_mask: bool, number: int = 0) -> Any:
    # Imported here because it brings zarr with it, which few slides need.
    import tiffslide

    with tifffile.TiffFile(path) as header:
        for page in header.series[number].levels:
            _check_tile(path, int(np.prod(page.keyframe.chunks[:2], dtype=float)))
    file = path.open("rb")
    try:
        slide = tiffslide.TiffSlide(file)
        if number:
            # tiffslide reads the first image, whatever it shows.
            series = slide.ts_tifffile.series
            series.insert(0, series.pop(number))
        if slide.properties["tiffslide.series-axes"] != "YXS" and not is_mask:
            raise ValueError("its samples are not interleaved")
    except BaseException:
        file.close()
        raise
    weakref.finalize(slide, file.close)
    return slide


def _find_ome(path: Path, is_mask: bool) -> StatedImage | None:
    try:
        return find_ome_image(path, is_mask=is_mask)
    except BadInput:
        raise
    except Exception:  # then its readers will say what is wrong
        return None


def _find_imagej(path: Path) -> tuple[float, float] | None:
    try:
        return read_imagej_scale(path)
    except BadInput:
        raise
    except Exception:  # then its readers will say what is wrong
        return None


def _open_described(path: Path, is_mask: bool) -> Any:
    """A TIFF whose description says what its tags do not; None: any other.

    Of OME-TIFF, levels lie in SubIFDs, which OpenSlide passes over. Of a mask, only values count.
    """
    image = _find_ome(path, is_mask)
    _check_tiff(path, is_mask, image.number if image else 0)
    if image is not None:
        return _open_stated(path, is_mask, image, "an OME-TIFF")
    scale = None if is_mask else _find_imagej(path)
    if scale is None:
        return None
    return _open_stated(path, is_mask, StatedImage(number=0, um_per_px=scale), "a TIFF of ImageJ")


def _open_stated(path: Path, is_mask: bool, image: StatedImage, kind: str) -> Any:
    """Such a TIFF; where it does not say its resolution, its tags may."""
    try:
        slide = _open_tiff(path, is_mask, image.number)
    except BadInput:
        raise
    except Exception as error:  # foreign readers fail on damaged files in any way
        raise BadInput(
            f"{path}: {kind} that tiffslide does not read ({reason(error)}); convert it to a "
            "tiled TIFF"
        ) from error
    if any(image.um_per_px):
        slide.properties["tiffslide.mpp-x"], slide.properties["tiffslide.mpp-y"] = image.um_per_px
    return slide


def _open_plain(path: Path, is_mask: bool) -> Any:
    """A picture that is no slide's format; how wide its pixels are, it does not say.

    What PNG (pHYs) and JPEG (JFIF) hold as density is for printers: editors write 72 or 300 dots
    per inch into any picture.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's remarks on odd metadata; what it cannot read, it refuses.
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=("PNG", "JPEG", "TIFF"))
            with image:
                _check_plain(image, path, is_mask)
                image.load()
                turned = said_orientation(image)
                pixels = np.asarray(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError as error:
        raise BadInput(f"{path}: its header claims an enormous image ({error})") from error
    return _PlainSlide(Image.fromarray(pixels), turned)


class _PlainSlide(openslide.ImageSlide):  # type: ignore[misc]
    """A picture without a pyramid, upright, and how its file says that it is turned."""

    def __init__(self, image: Image.Image, turned: int) -> None:
        super().__init__(image)
        self._turned = turned

    @property
    def properties(self) -> Mapping[str, str]:
        return {TURNED: str(self._turned)}


def _check_plain(image: Any, path: Path, is_mask: bool) -> None:
    width, height = image.size
    if width * height > MAX_PLAIN_PIXELS:
        raise BadInput(
            f"{path}: its header says {width} x {height} px; a plain image may have "
            f"{MAX_PLAIN_PIXELS // 10**6} million at most; convert it to a tiled TIFF"
        )
    # Pillow reads 16-bit PNGs as 8-bit ones, and says so only here.
    if "16" in str(image.tile[0][3]) or image.mode.startswith("I"):
        raise BadInput(f"{path}: 16-bit pixels; expected 8-bit; convert the file")
    modes = {"RGB", "RGBA", "L", "P"} if is_mask else {"RGB", "RGBA"}
    if image.mode not in modes:
        raise BadInput(
            f"{path}: pixels of mode {image.mode}; expected "
            f"{'8-bit grey, palette or RGB' if is_mask else 'RGB'}; convert the file"
        )
