"""Data sets as they were downloaded: what to read, and the one entrance to all readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import tyro

from disc.files import BadInput, require

if TYPE_CHECKING:
    from disc.data.tiles import TileSet

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
    rim_px: int = 0
    """Widest rim of a wrong grade that is cleaned from masks, in pixels; 0: masks as they are."""
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
    ties: Literal["ignore", "lower", "higher"] = "ignore"
    """folder: a pixel's label when raters are divided evenly."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if one is out of range.
        """
        grades = {*self.values.values(), *self.layers.values()}
        wrong = sorted(grades - {0, 3, 4, 5, 255})
        require(not wrong, f"values and layers: {wrong}; expected grades 0, 3, 4, 5 or 255")
        require(self.tile_px is None or self.tile_px > 0, f"tile_px is {self.tile_px}; give > 0")
        is_width = self.um_per_px is None or 0 < self.um_per_px < math.inf
        require(is_width, f"um_per_px is {self.um_per_px}; expected micrometres, more than 0")
        require(self.rim_px >= 0, f"rim_px is {self.rim_px}; expected 0 or more")
        require(0 <= self.reach_um < math.inf, f"reach_um is {self.reach_um}; expected 0 or more")


@dataclass(frozen=True, kw_only=True)
class SelectRequest:
    """Slides to select from a set."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    """The set; noise lists and duplicates count."""
    out: Path
    """CSV of the slides selected, which `keep` of a source reads."""
    per_grade: int = 100
    """Slides of each primary grade 0, 3, 4, 5."""
    seed: int = 0
    """Seed of the draw; the same seed selects the same slides."""

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            BadInput: if no slide is asked for.
        """
        if self.per_grade < 1:
            raise BadInput(f"--per-grade is {self.per_grade}; expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class ConvertRequest:
    """A set to write in the SICAPv2 layout."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    """The set."""
    out: Path
    """Folder of the new set."""
    seed: int = 0
    """Seed of the division of patients into folds and test."""


def read_source(source: Source) -> TileSet:
    """All tiles of a set, listed; nothing is opened but tables and a sample of the masks.

    Raises:
        FileNotFoundError: if there is no such folder or table.
        BadInput: if the kind is not recognised, or files and tables do not fit together.
    """
    # Readers load pandas, SciPy and OpenSlide; the command line describes sources without them.
    from disc.data.folder import read_folder
    from disc.data.lapc import read_lapc
    from disc.data.panda_set import read_panda
    from disc.data.sicapv2 import read_sicapv2

    readers: Mapping[Kind, Callable[[Source], TileSet]] = {
        "sicapv2": read_sicapv2,
        "panda": read_panda,
        "lapc": read_lapc,
        "folder": read_folder,
    }
    kind = recognise(source.root) if source.kind == "auto" else source.kind
    _refuse_foreign(source, kind)
    return readers[kind](source)


def recognise(root: Path) -> Kind:
    """The kind of a set, by its files.

    Raises:
        FileNotFoundError: if there is no such folder.
        BadInput: if it looks like none.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give the folder of a data set")
    for folder in (root, root / "SICAPv2", root / "SICAPv2" / "SICAPv2"):
        has = {name: (folder / name).is_dir() for name in ("images", "masks", "partition")}
        if has["images"] and (has["masks"] or has["partition"]):
            return "sicapv2"
    if (root / "train.csv").is_file() and (root / "train_images").is_dir():
        return "panda"
    if (root / LAPC_IMAGES).is_dir() and (root / LAPC_MASKS).is_dir():
        return "lapc"
    found = sorted(path.name for path in root.iterdir())[:6]
    raise BadInput(
        f"{root}: looks like no set that is known (found {', '.join(found) or 'nothing'}); say "
        "with --kind what it is: sicapv2 (images/, masks/, partition/), panda (train.csv, "
        "train_images/), lapc (jpg_nameless/, mask_nameless/) or folder (--images and --masks)"
    )


_SPECIAL: Mapping[Kind, tuple[str, ...]] = {
    "sicapv2": ("encoding", "masks", "values", "fit"),
    "panda": (
        *("slides", "masks", "values", "coordinates", "keep", "noise_column", "duplicates"),
        "reach_um",
    ),
    "lapc": ("slides", "images", "masks", "values", "fit"),
    "folder": ("slides", "images", "masks", "values", "fit", "coordinates", "layers", "ties"),
}
"""Fields that some kinds have and others have not."""


def list_fields(kind: KindOrAuto) -> frozenset[str]:
    """Fields of a source that a kind has and some other has not; of `auto`, those that all have."""
    if kind == "auto":
        return frozenset.intersection(*map(frozenset, _SPECIAL.values()))
    return frozenset(_SPECIAL[kind])


def _refuse_foreign(source: Source, kind: Kind) -> None:
    default = Source(root=source.root)
    special = {name for each in KINDS for name in list_fields(each)} - list_fields(kind)
    given = [name for name in sorted(special) if getattr(source, name) != getattr(default, name)]
    require(not given, f"{source.root}: a set of kind {kind} has no option {', '.join(given)}")
