"""Reads the SICAPv2 layout: the form of every tile set, real, simulated, synthetic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from disc.data.pixels.images import measure_side, measure_size
from disc.data.pixels.mask_values import SICAPV2, Meaning
from disc.data.readers.sicapv2_masks import decide_meaning
from disc.data.readers.sicapv2_tables import (
    Entry,
    read_listed,
    read_partition,
    read_slides,
)
from disc.data.readers.source import Source
from disc.data.tables.image_files import list_images
from disc.data.tiles.decoding import Reading
from disc.data.tiles.names import GRAMMAR
from disc.data.tiles.names import format_name as format_name
from disc.data.tiles.names import parse_name as parse_name
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.split import Split
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput, read_json
from disc.settings.data import Fold

_UM_PER_PX = 0.92
"""Of SICAPv2, a quarter of the scanner's 40x (Ventana iScan Coreo, 0.23 µm)."""


_UNLISTED = Entry(label=None)


def read_set(root: Path, tile_px: int, masks: str = "masks") -> TileSet:
    """All tiles of a set, as `read_sicapv2`; `masks` may be the folder `masks_exact`."""
    return read_sicapv2(Source(root=root, tile_px=tile_px, masks=(masks,)))


def read_sicapv2(source: Source) -> TileSet:
    """All tiles of a set, listed by their names.

    Nothing is opened but the workbooks and, in sets that disc did not write, a sample of the masks,
    which decides what their values mean.

    Args:
        source: its root is a folder with `images/`, or one whose `SICAPv2/` or `SICAPv2/SICAPv2/`
            has it.

    Raises:
        FileNotFoundError: if there is no set, or no `wsi_labels.xlsx`.
        BadInput: if names, workbooks and files do not fit together.
    """
    root, name = find_root(source.root), (source.masks or ("masks",))[0]
    listing, masks = list_images(root / "images"), _list_masks(root, name)
    if not listing.images:
        raise BadInput(f"{root / 'images'}: no images of tiles; expected {GRAMMAR}")
    listed, facts = read_listed(root), read_facts(root)
    tile_px = source.tile_px or measure_side(next(iter(listing.images.values())))
    scale = _find_scale(source, facts, tile_px, next(iter(listing.images.values())))
    tiles = tuple(_tile(path, masks, listed, scale) for path in listing.images.values())
    _refuse_missing(root, listed, tiles)
    reading, notes = _decide_reading(source, masks, listed, is_ours=bool(facts))
    notes = [*listing.notes(), *_count_left_out(root, tiles, masks), *notes]
    slides = _read_slides(root, tiles)
    return TileSet(slides=slides, tiles=tiles, tile_px=tile_px, reading=reading, notes=tuple(notes))


def _find_scale(
    source: Source, facts: Mapping[str, Any], tile_px: int, image: Path
) -> float | None:
    """Width of a pixel of tiles as they are read, in micrometres; None: unknown."""
    # The scanner's 40x divided by 4; SICAPv2 itself does not say.
    um_per_px = source.um_per_px or facts.get("um_per_px") or (None if facts else _UM_PER_PX)
    if um_per_px is None or source.fit == "exact":
        return um_per_px
    side = facts.get("tile_px") or min(measure_size(image))
    return float(um_per_px * side / tile_px)


def _read_slides(root: Path, tiles: Iterable[Tile]) -> dict[str, Slide]:
    path, present = root / "wsi_labels.xlsx", {tile.slide_id for tile in tiles}
    slides = read_slides(path)
    if unknown := sorted(present - set(slides)):
        raise BadInput(
            f"{path}: {len(unknown)} slide(s) of images/ are not listed, first {unknown[0]}; add a "
            "row for each (grades may be empty)"
        )
    return {name: slide for name, slide in slides.items() if name in present}


def _decide_reading(
    source: Source, masks: Mapping[str, Path], listed: Mapping[str, Entry], *, is_ours: bool
) -> tuple[Reading, list[str]]:
    meaning, notes = SICAPV2, list[str]()
    if source.values:
        meaning = Meaning(source.values)
    elif masks and not is_ours:
        labels = {name: entry.label for name, entry in listed.items() if entry.label is not None}
        meaning, text = decide_meaning(masks, labels, source.encoding)
        notes.append(text)
    return Reading(meaning=meaning, fit=source.fit, artefact_px=source.artefact_px), notes


def _count_left_out(root: Path, tiles: Sequence[Tile], masks: Mapping[str, Path]) -> list[str]:
    names = {tile.name for tile in tiles}
    unmasked = [tile.name for tile in tiles if tile.mask is None]
    left = {
        "in no workbook": [tile.name for tile in tiles if not tile.split],
        "without a mask": unmasked if masks else [],
        "masks without a tile": sorted(set(masks) - names),
    }
    return [f"{root}: {len(v)} {what}, first {v[0]}" for what, v in left.items() if v]


def read_split(root: Path, fold: Fold, tile_set: TileSet) -> Split:
    """Training, validation and test tiles of a fold, each listed tile once.

    Args:
        root: the set's folder, as for `read_set`.
        fold: its Train trains, its Test validates; the Test partition tests. `All` trains on the
            whole training partition, and validates on tiles of it (Val1's).
        tile_set: what `read_set` gave for the same folder.

    Raises:
        FileNotFoundError: if a workbook is missing.
        BadInput: if parts share patients, are empty, or list tiles without file or mask, or the
            set has no part but the test.
    """
    root = find_root(root)
    _refuse_test_alone(root)
    places = {tile.name: i for i, tile in enumerate(tile_set.tiles)}

    def part(workbook: str) -> TileSet:
        path = root / "partition" / f"{workbook}.xlsx"
        names = read_partition(path)
        if not names:
            raise BadInput(f"{path}: lists no tiles; a part of a split cannot be empty")
        _refuse_missing(root, names, tile_set.tiles)
        _refuse_unmasked(path, [tile_set.tiles[places[name]] for name in names])
        return tile_set.only(places[name] for name in names)

    is_all = fold == "All"
    return Split(
        train=part("Test/Train" if is_all else f"Validation/{fold}/Train"),
        val=part("Validation/Val1/Test" if is_all else f"Validation/{fold}/Test"),
        test=part("Test/Test"),
        val_is_seen=is_all,
        by_position=len(tile_set.slides) == 1 or bool(read_facts(root).get("is_split_by_position")),
    )


def _refuse_test_alone(root: Path) -> None:
    """Refuse to divide a set that is for evaluation alone, as few patients become one."""
    partition = root / "partition"
    if (partition / "Test" / "Test.xlsx").exists() and not (partition / "Validation").exists():
        raise BadInput(
            f"{root}: all of it is the test (partition/ has no Validation/), as where fewer than "
            "five patients have labels; give it as --data.external-root, or train on more patients"
        )


def find_root(root: Path) -> Path:
    """The folder that has `images/`; archives of SICAPv2 unpack to nested folders.

    Raises:
        FileNotFoundError: if there is none.
    """
    for folder in (root, root / "SICAPv2", root / "SICAPv2" / "SICAPv2"):
        if (folder / "images").is_dir():
            return folder
    found = "has no images/ in it" if root.exists() else "does not exist"
    raise FileNotFoundError(
        f"{root}: {found}; give the folder of a set in the SICAPv2 layout "
        "(images/, masks/, partition/, wsi_labels.xlsx)"
    )


def _tile(
    path: Path, masks: Mapping[str, Path], listed: Mapping[str, Entry], um_per_px: float | None
) -> Tile:
    name = path.stem
    try:
        match = parse_name(name)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    entry = listed.get(name, _UNLISTED)
    return Tile(
        name=name,
        slide_id=match["slide"],
        image=path,
        mask=masks.get(name),
        x=int(match["x"]),
        y=int(match["y"]),
        label=entry.label,
        is_cribriform=entry.is_cribriform,
        um_per_px=um_per_px,
        split=entry.split,
    )


def _list_masks(root: Path, masks: str) -> dict[str, Path]:
    folder = root / masks
    if folder.is_dir():
        return list_images(folder, {".png", ".jpg"}).images
    if masks == "masks":
        return {}
    raise BadInput(f"{folder}: no such folder; only simulated sets have exact masks")


def read_facts(root: Path) -> dict[str, Any]:
    """What disc notes of the sets it writes; nothing of others.

    Raises:
        BadInput: if it is no such note, or says an impossible size or scale.
    """
    path = root / "set.json"
    facts = read_json(path, "correct it, or delete it") if path.exists() else {}
    if not isinstance(facts, dict):
        raise BadInput(f"{path}: not an object of facts about the set; delete it")
    for name in ("tile_px", "um_per_px"):
        value = facts.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 < value < math.inf):
            raise BadInput(f"{path}: {name} is {value!r}; expected a number above 0; correct it")
    return facts


def _refuse_missing(root: Path, names: Iterable[str], tiles: Iterable[Tile]) -> None:
    missing = sorted(set(names) - {tile.name for tile in tiles})
    if missing:
        raise BadInput(
            f"{root / 'partition'}: {len(missing)} listed tile(s) are not in {root / 'images'}, "
            f"first {missing[0]}.jpg; restore them or correct the workbooks"
        )


def _refuse_unmasked(workbook: Path, tiles: Sequence[Tile]) -> None:
    unmasked = [tile for tile in tiles if tile.mask is None]
    if unmasked:
        raise BadInput(
            f"{unmasked[0].image}: has no mask (one of {len(unmasked)} in {workbook}); expected "
            f"masks/{unmasked[0].name}.png beside images/"
        )
