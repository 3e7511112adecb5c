"""What slides are called, and their masks and coordinates after them."""

from __future__ import annotations

import os
from pathlib import Path

from disc.data.tables.image_files import name_file
from disc.data.wsi.coordinates import SUFFIX
from disc.data.wsi.drawings import SUFFIXES as DRAWINGS
from disc.data.wsi.formats import find_dicom

TEMPLATE = "{name}"
"""Stands for a slide's name in the path of its mask."""
_SUFFIXES = (".tiff", ".tif", ".png", ".ome.tiff", ".ome.tif", *DRAWINGS)


def name_slide(path: Path) -> str:
    """A slide's name: that of its file without its type, or of its folder (DICOM).

    Tables, masks, coordinates and results are called after it. OME-TIFF's type is `.ome.tiff`.
    """
    return path.name if find_dicom(path) is not None else name_file(path)


def names_beside(slide: Path) -> tuple[str, ...]:
    """What files that belong to a slide may be called after, the best first.

    That is its name, and as programs call it that know no OME-TIFF, the same with `.ome`.
    """
    name = name_slide(slide)
    return (name,) if name in (slide.stem, slide.name) else (name, slide.stem)


def name_places(slide: Path) -> list[str]:
    """What a slide's file of coordinates may be called, without its type; the best first."""
    return [f"{name}{end}" for name in names_beside(slide) for end in (SUFFIX, "")]


def find_mask(masks: Path | None, slide: Path) -> Path | None:
    """The mask file of a slide, never the slide itself.

    Args:
        masks: the file itself, or a path with `{name}` in place of the slide's, or a folder that
            holds `<slide>_mask` or `<slide>`, in a folder called like the slide's or not.
        slide: the slide.
    """
    if masks is None:
        return None
    names = names_beside(slide)
    if masks.is_file():
        found = [masks]
    elif TEMPLATE in str(masks):
        found = [Path(str(masks).replace(TEMPLATE, name)) for name in names]
    else:
        ends = [f"{end}{suffix}" for end in ("_mask", "") for suffix in _SUFFIXES]
        files = [f"{name}{end}" for name in names for end in ends]
        found = [folder / file for folder in (masks, masks / slide.parent.name) for file in files]
    itself = os.path.realpath(slide)
    return next((p for p in found if p.is_file() and os.path.realpath(p) != itself), None)
