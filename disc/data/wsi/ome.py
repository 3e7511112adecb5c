"""What OME-TIFF says of a slide, in the XML that it carries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import tifffile

from disc.data.wsi.lengths import read_width
from disc.files import BadInput, reason

MAX_XML = 2**23
"""Characters; a slide's is a few thousand, one with drawings on it some hundred thousand."""


@dataclass(frozen=True, kw_only=True)
class StatedImage:
    """The slide among the images of a TIFF, and what is said of it."""

    number: int
    """Its place among them."""
    um_per_px: tuple[float, float]
    """Width and height of a level-0 pixel; 0: that is not said."""


def find_ome_image(path: Path, *, is_mask: bool = False) -> StatedImage | None:
    """The largest image of an OME-TIFF, for labels and overviews may come first; None: it is none.

    Args:
        path: of a TIFF.
        is_mask: how wide its pixels are does not matter, so nothing said of that is refused.

    Raises:
        BadInput: if its XML is too long, damaged, declares entities, lists other images than there
            are, or says a width that is none.
        Exception: of any kind, if the file is damaged.
    """
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata
        if text is None:
            return None
        listed = _list_pixels(path, text)
        sizes = _list_sizes(path, file) if len(listed) > 1 else []
    number = max(range(len(sizes)), key=lambda place: math.prod(sizes[place]), default=0)
    if is_mask:
        return StatedImage(number=number, um_per_px=(0.0, 0.0))
    said = [each for each in listed if not sizes or _said_size(each) == sizes[number]]
    if listed and not said:
        raise BadInput(
            f"{path}: its OME-XML lists no image of {sizes[number][0]} x {sizes[number][1]} px, "
            "as its largest is; convert the file"
        )
    if not said:
        return StatedImage(number=number, um_per_px=(0.0, 0.0))
    across, down = (_width(path, said[0], axis) for axis in "XY")
    return StatedImage(number=number, um_per_px=(across, down))


def _list_sizes(path: Path, file: tifffile.TiffFile) -> list[tuple[int, int]]:
    """Width and height of every image."""
    try:
        found = [[int(one.shape[one.axes.index(axis)]) for axis in "XY"] for one in file.series]
        return [(width, height) for width, height in found]
    except Exception as error:  # tifffile fails on damaged files in any way
        raise BadInput(
            f"{path}: its several images cannot be listed ({reason(error)}); convert the file"
        ) from error


def _list_pixels(path: Path, text: str) -> Sequence[ElementTree.Element]:
    """What the XML says of every image's pixels."""
    if len(text) > MAX_XML:
        raise BadInput(
            f"{path}: its OME-XML has {len(text):,} characters; expected at most {MAX_XML:,}; "
            "convert the file"
        )
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BadInput(
            f"{path}: its OME-XML declares a DOCTYPE or entities; expected neither; convert "
            "the file"
        )
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise BadInput(
            f"{path}: its OME-XML cannot be read ({reason(error)}), so what it says of the slide "
            "is unknown; convert the file"
        ) from error
    return [each for each in root.iter() if each.tag.rpartition("}")[2] == "Pixels"]


def _said_size(pixels: ElementTree.Element) -> tuple[int, int]:
    width, height = (pixels.get(f"Size{axis}", "") for axis in "XY")
    return (int(width), int(height)) if width.isdecimal() and height.isdecimal() else (0, 0)


def _width(path: Path, pixels: ElementTree.Element, axis: str) -> float:
    name = f"PhysicalSize{axis}"
    if (size := pixels.get(name)) is None:
        return 0.0
    return read_width(size, pixels.get(f"{name}Unit", "µm"), f"{path}: its OME-XML has {name}")
