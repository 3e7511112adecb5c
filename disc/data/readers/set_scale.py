"""How wide the pixels of a data set are, as the set itself records it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from disc.data.pixels.images import measure_side
from disc.data.readers.sicapv2 import find_root, read_facts
from disc.data.tables.image_files import list_images
from disc.files import BadInput

_SICAPV2 = 512, 0.92
"""Side of its tiles, and width of their pixels in micrometres: a quarter of the scanner's 40x."""


def read_scale(
    root: Path, tile_px: int, fit: Literal["exact", "resize", "crop"] = "exact"
) -> float | None:
    """Width in micrometres of a pixel of tiles brought to `tile_px`, None where nobody knows.

    What `set.json` says of the set counts; a set without one is known only if its tiles are as
    large as those of the published SICAPv2.

    Args:
        root: a set in the SICAPv2 layout.
        tile_px: side that tiles are read with.
        fit: how they are brought to it.
    """
    root = find_root(root)
    if (root / "set.json").exists():
        facts = read_facts(root)
        side, um_per_px = facts.get("tile_px"), facts.get("um_per_px")
    else:
        side, um_per_px = _measure(root), _SICAPV2[1]
        if side != _SICAPV2[0]:
            return None
    if not side or not um_per_px:
        return None
    return float(um_per_px) * (1 if fit == "exact" else side / tile_px)


def _measure(root: Path) -> int | None:
    try:
        return measure_side(next(iter(list_images(root / "images").images.values())))
    except (BadInput, StopIteration):
        return None
