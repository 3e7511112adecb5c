"""Mask files of slides, by their names."""

from __future__ import annotations

from pathlib import Path

_SUFFIXES = (".tiff", ".tif", ".png")


def find_mask(masks: Path | None, slide: Path) -> Path | None:
    """The mask file of a slide: `masks` itself, or in it `<slide>_mask` or `<slide>`."""
    if masks is None or masks.is_file():
        return masks
    names = [f"{slide.stem}{end}{suffix}" for end in ("_mask", "") for suffix in _SUFFIXES]
    found = (masks / name for name in names)
    return next((path for path in found if path.is_file() and path != slide), None)
