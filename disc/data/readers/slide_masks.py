"""Mask files of slides, by their names."""

from __future__ import annotations

import os
from pathlib import Path

from disc.data.wsi.drawings import SUFFIXES as DRAWINGS
from disc.data.wsi.formats import find_dicom

TEMPLATE = "{name}"
"""Stands for a slide's name in the path of its mask."""
_SUFFIXES = (".tiff", ".tif", ".png", *DRAWINGS)


def name_slide(path: Path) -> str:
    """A slide's name: that of its file without suffix, or of its folder (DICOM)."""
    return path.name if find_dicom(path) is not None else path.stem


def find_mask(masks: Path | None, slide: Path) -> Path | None:
    """The mask file of a slide, never the slide itself.

    Args:
        masks: the file itself, or a path with `{name}` in place of the slide's, or a folder that
            holds `<slide>_mask` or `<slide>`, in a folder called like the slide's or not.
        slide: the slide.
    """
    if masks is None:
        return None
    name = name_slide(slide)
    if masks.is_file():
        found = [masks]
    elif TEMPLATE in str(masks):
        found = [Path(str(masks).replace(TEMPLATE, name))]
    else:
        names = [f"{name}{end}{suffix}" for end in ("_mask", "") for suffix in _SUFFIXES]
        found = [folder / name for folder in (masks, masks / slide.parent.name) for name in names]
    itself = os.path.realpath(slide)
    return next((p for p in found if p.is_file() and os.path.realpath(p) != itself), None)
