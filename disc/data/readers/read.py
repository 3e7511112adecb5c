"""The one entrance to all readers, and how a set's kind is recognised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from disc.data.readers.source import KINDS, LAPC_IMAGES, LAPC_MASKS, Kind, KindOrAuto, Source
from disc.files import BadInput, require

if TYPE_CHECKING:
    from disc.data.tiles.tile_set import TileSet


def read_source(source: Source) -> TileSet:
    """All tiles of a set, listed; nothing is opened but tables and a sample of the masks.

    Raises:
        FileNotFoundError: if there is no such folder or table.
        BadInput: if the kind is not recognised, or files and tables do not fit together.
    """
    # Readers load pandas, SciPy and OpenSlide; the command line describes sources without them.
    from disc.data.readers.folder import read_folder
    from disc.data.readers.lapc import read_lapc
    from disc.data.readers.panda import read_panda
    from disc.data.readers.sicapv2 import read_sicapv2

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
    "lapc": ("slides", "images", "masks", "values", "fit", "to_um_per_px"),
    "folder": (
        *("slides", "images", "masks", "values", "fit", "coordinates", "layers", "ties"),
        *("to_um_per_px", "labels_from"),
    ),
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
