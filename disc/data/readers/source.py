"""What is read: a data set as it was downloaded, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from disc.files import require
from disc.labels import MASK_GRADES

Kind = Literal["sicapv2", "panda", "lapc", "folder"]


KINDS: tuple[Kind, ...] = get_args(Kind)


KindOrAuto = Literal["auto", "sicapv2", "panda", "lapc", "folder"]
"""How a set is laid out; auto: recognised by its files."""


Encoding = Literal["auto", "grades", "indices", "legacy"]
"""SICAPv2's masks: PNG 0/3/4/5; PNG 0 to 3; grey JPEG of version 1; auto: whichever is found."""


LAPC_IMAGES, LAPC_MASKS = "jpg_nameless", "mask_nameless"
"""Folders of LAPC as it is handed out."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set and how it is read. Fields that a kind does not have are refused by it."""

    root: Path
    """Folder of the set."""
    kind: KindOrAuto = "auto"
    """How the set is laid out; auto: recognised by its files."""
    tile_px: int | None = None
    """Side of a tile in pixels; None: that of the first tile."""
    fit: Literal["exact", "resize", "crop"] = "exact"
    """Images larger than a tile: refused; squares resized; central squares resized."""
    um_per_px: float | None = None
    """Width of a pixel in micrometres: of tiles, or of slides at level 0; None: as files say."""
    to_um_per_px: float | None = None
    """lapc, folder: width that a tile's pixels get: the central square of an image that is as wide
    in micrometres as a tile becomes one; needs `um_per_px`."""
    artefact_px: int = 0
    """Max width of boundary artefacts that are cleaned from masks, in pixels; 0: none are."""
    values: Mapping[int, int] = field(default_factory=dict)
    """Mask value to grade 0 (Non-Cancer), 3, 4, 5, or 255 (unknown); none: as the kind has them."""
    slides: Path | None = None
    """panda, lapc, folder: CSV of slides, with scores and patients."""
    images: str = ""
    """lapc, folder: folder of the images in `root`."""
    masks: tuple[str, ...] = ()
    """Folder(s) of the masks in `root`; folder: one a rater or class, or paths with {name}."""
    encoding: Encoding = "auto"
    """sicapv2: how grades are written in the masks."""
    coordinates: Path | None = None
    """panda, folder: folder of HDF5 files with the places of tiles; None: slides only."""
    reach_um: float = 50.0
    """panda: how far labels drawn on epithelium alone reach over stroma."""
    keep: Path | None = None
    """panda: CSV of slides to keep, or with columns `noise_ratio_*`, where 1 is keep."""
    noise_column: str = "noise_ratio_10"
    """panda: which of these columns counts."""
    duplicates: Path | None = None
    """panda: CSV of image_id, group_id; slides of a group count as one patient's."""
    layers: Mapping[str, int] = field(default_factory=dict)
    """folder: for one mask file a class, from its stem to a grade: G3_Mask 3 G4_Mask 4."""
    labels_from: Literal["masks", "folders"] = "masks"
    """folder: whether the folder that an image is in is its class (Benign, Gleason3, GG4, ...)."""
    ties: Literal["ignore", "lower", "higher"] = "ignore"
    """folder: a pixel's label when raters are divided evenly."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if one is out of range.
        """
        grades = {*self.values.values(), *self.layers.values()}
        wrong = sorted(grades - MASK_GRADES)
        require(not wrong, f"values and layers: {wrong}; expected grades 0, 3, 4, 5 or 255")
        require(self.tile_px is None or self.tile_px > 0, f"tile_px is {self.tile_px}; give > 0")
        is_width = self.um_per_px is None or 0 < self.um_per_px < math.inf
        require(is_width, f"um_per_px is {self.um_per_px}; expected micrometres, more than 0")
        is_width = self.to_um_per_px is None or 0 < self.to_um_per_px < math.inf
        require(is_width, f"to_um_per_px is {self.to_um_per_px}; expected micrometres, more than 0")
        is_known = self.to_um_per_px is None or None not in (self.um_per_px, self.tile_px)
        require(is_known, "--to-um-per-px needs --um-per-px, as files are, and --tile-px")
        require(self.artefact_px >= 0, f"artefact_px is {self.artefact_px}; expected 0 or more")
        require(0 <= self.reach_um < math.inf, f"reach_um is {self.reach_um}; expected 0 or more")
