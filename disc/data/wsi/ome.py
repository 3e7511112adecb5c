"""What OME-TIFF says of a slide, in the XML that it carries."""

from __future__ import annotations

import re
from pathlib import Path

import tifffile

_UNITS = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
"""Micrometres in a unit; µ comes as two characters."""
_MAX_XML = 2**24


def read_ome_scale(path: Path) -> tuple[float, float] | None:
    """Width and height of a level-0 pixel in micrometres; None: it is no OME-TIFF, 0: not said.

    Raises:
        Exception: of any kind, if the file is damaged.
    """
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata
    if text is None:
        return None
    # Of several images, a slide's is the first; its label and overview come later.
    found = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", text[:_MAX_XML])
    tag = found[0] if found else ""
    return _width(tag, "X"), _width(tag, "Y")


def _width(tag: str, axis: str) -> float:
    value = re.search(rf'\bPhysicalSize{axis}="([^"]+)"', tag)
    unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]+)"', tag)
    try:
        return float(value[1]) * _UNITS.get(unit[1] if unit else "µm", 0.0) if value else 0.0
    except ValueError:
        return 0.0
