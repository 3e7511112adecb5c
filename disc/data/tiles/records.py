"""The records that every data set gives: slides and tiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disc.data.pixels.images import Pixels as Pixels
from disc.labels import Label

OfficialSplit = Literal["train", "test", ""]
"""Part that the makers of a set put a tile into; "": none."""
SAME_SCALE = 0.05
"""How far widths of pixels may differ and be called the same: magnification is nominal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slide:
    """A whole-slide image or biopsy; grades are None where it is unlabelled."""

    slide_id: str
    patient_id: str
    primary: int | None = None
    secondary: int | None = None
    provider: str = ""
    """Who scanned and annotated it, where a set comes from several places."""
    image: Path | None = None
    """The slide itself, where it is in the set."""
    mask: Path | None = None
    """Its mask, where it is in the set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """One tile, a file of its own or a box on a slide, with its place on the slide."""

    name: str
    """Unique in its set; of a file, its stem."""
    slide_id: str
    image: Path
    """File of the tile; the slide, if the tile is a box on it."""
    mask: Path | None
    """File of its mask, or of the slide's."""
    x: int
    y: int
    """Top-left corner at level 0 of the slide, in pixels."""
    label: Label | None = None
    """The tile's label in the workbook; None: not listed there."""
    is_cribriform: bool | None = None
    """Whether the tile is cribriform GG4; None: not said."""
    box_px: float | None = None
    """Side of the box in pixels at level 0 of the slide; None: the tile is a file."""
    um_per_px: float | None = None
    """Width of a pixel of the tile in micrometres, where it is known."""
    split: OfficialSplit = ""
    """Official part that the tile is in."""
    more_masks: tuple[Path, ...] = ()
    """Masks by other raters, or of other classes, beside the first."""
