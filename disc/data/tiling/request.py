"""What `disc tile` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from disc.files import BadInput, require
from disc.labels import MASK_GRADES

MaskValues = Literal["panda", "radboud", "karolinska", "sicapv2"]


@dataclass(frozen=True, kw_only=True)
class TissueRule:
    """How tissue is separated from glass; a number that is left out is the preset's."""

    preset: Literal["biopsy", "resection", "clam-biopsy", "clam-resection"] = "biopsy"
    """The kind of slide; `clam-...`: as CLAM does."""
    blur: Literal["gaussian", "median"] | None = None
    """How saturation is blurred first."""
    blur_um: float | None = None
    """Width of the blur: standard deviation or side of the median's window."""
    saturation: float | None = None
    """Min saturation of tissue, of 255; 0: half of Otsu's threshold."""
    close_um: float | None = None
    """Gaps up to this width are closed."""
    min_um2: float | None = None
    """Pieces of tissue up to this area are dust."""
    min_hole_um2: float | None = None
    """Holes up to this area are lumina, and tissue."""
    max_holes: int | None = None
    """Max number of larger holes left open, the largest first."""
    keep_pen: bool = False
    """Whether strokes of a blue, green or black pen may be tissue."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if one is negative.
        """
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not 0 <= value < math.inf:
                option = name.replace("_", "-")
                raise BadInput(f"--tissue.{option} is {value}; it must not be negative")


@dataclass(frozen=True, kw_only=True)
class TileRequest:
    """Slides to tiles, in the SICAPv2 layout."""

    slides: Path
    """A slide, or a folder of slides (in folders, too): whole-slide formats, TIFF, PNG, JPEG."""
    out: Path
    """Folder of the new set."""
    masks: Path | None = None
    """A mask, a folder of masks named like the slides or `<slide>_mask`, or a path with {name} in
    place of a slide's: images of values, or areas drawn with ASAP (.xml), Aperio (.xml) or QuPath
    (.geojson); None: no masks."""
    labels: Path | None = None
    """Table with columns image_id, gleason_score, and if known data_provider, patient_id, mpp."""
    mask_values: MaskValues = "panda"
    """What mask values mean; `panda`: radboud or karolinska, as data_provider says."""
    own_values: Mapping[int, int] = field(default_factory=dict)
    """Instead of `mask_values`: mask value to grade 0 (Non-Cancer), 3, 4, 5, or 255 (unknown)."""
    classes: Mapping[str, int] = field(default_factory=dict)
    """Of drawn areas: class to grade 0 (Non-Cancer), 3, 4, 5, or 255 (unknown), where its name
    (GG3, Gleason 4, benign, ...) does not say it."""
    outside: int = 255
    """Of drawn areas: the same of what lies in none; 0, where all that is not cancer was left
    blank."""
    scores_from_masks: bool = False
    """Derive scores of slides that `labels` does not score from the two most frequent grades in
    their masks."""
    reach_um: float = 50.0
    """How far radboud's labels, drawn on epithelium alone, reach over stroma; 0: not at all."""
    tile_px: int = 64
    """Side of a tile in pixels; a multiple of 32."""
    um_per_px: float = 4.0
    """Width of a tile's pixel in micrometres (SICAPv2: about 1, with 512 px)."""
    mpp: float | None = None
    """Micrometres per pixel of the slides at full resolution, where their files do not say; a
    column mpp of `labels` says it slide by slide."""
    overlap: float = 0.5
    """Fraction of a tile's side that it has in common with its neighbour."""
    edges: Literal["shift", "pad", "drop"] = "shift"
    """The last tiles of a row and column, where the grid ends before the slide: moved to its edge,
    filled up with white beyond it (unlabelled there), or left out."""
    min_tissue: float = 0.4
    """Min fraction of tissue in a tile."""
    tissue: TissueRule = field(default_factory=TissueRule)
    """How tissue is separated from glass."""
    coordinates: Path | None = None
    """Folder of HDF5 files of CLAM or TRIDENT; tiles are cut at exactly their places."""
    processes: int = 0
    """Processes that share the work on this machine; 0: one for each core."""
    seed: int = 0
    """Seed of the division of patients into folds and test."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if one is out of range.
        """
        require(
            self.tile_px > 0 and self.tile_px % 32 == 0,
            f"--tile-px is {self.tile_px}; it must be a multiple of 32",
        )
        for name, width in (("um-per-px", self.um_per_px), ("mpp", self.mpp)):
            is_width = width is None or 0 < width < math.inf
            require(is_width, f"--{name} is {width}; expected micrometres, more than 0")
        require(0 <= self.overlap < 0.95, f"--overlap is {self.overlap}; expected 0 to 0.95")
        require(0 <= self.min_tissue <= 1, f"--min-tissue is {self.min_tissue}; expected 0 to 1")
        require(0 <= self.reach_um < math.inf, f"--reach-um is {self.reach_um}; expected 0 or more")
        require(self.processes >= 0, f"--processes is {self.processes}; it must not be negative")
        wrong = set(self.own_values.values()) - MASK_GRADES
        require(not wrong, f"--own-values gives {wrong}; expected grades 0, 3, 4, 5 or 255")
        wrong = {self.outside, *self.classes.values()} - MASK_GRADES
        require(not wrong, f"--classes, --outside: {wrong}; expected grades 0, 3, 4, 5 or 255")
