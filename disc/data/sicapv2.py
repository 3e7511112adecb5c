"""The SICAPv2 layout, read and written: the form of every tile set, real, simulated, synthetic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from disc.data.images import Pixels, encode_jpeg, encode_mask
from disc.data.sicapv2_tables import (
    encode_slides,
    encode_tile_labels,
    read_slides,
    read_tile_labels,
)
from disc.data.splits import Split
from disc.data.tiles import Slide, Tile, TileSet
from disc.files import BadInput, read_json, sync_all, write_bytes, write_json
from disc.labels import Label
from disc.settings import Fold

GRAMMAR = "{slide}_Block_Region_{region}_{row}_{col}_xini_{x}_yini_{y}.jpg"
"""A tile's name. The slide's id has no `_`; x and y are level-0 pixels of the slide."""
_NAME = re.compile(
    r"(?P<slide>[^_/]+)_Block_Region_(?P<region>\d+)_(?P<row>\d+)_(?P<col>\d+)"
    r"_xini_(?P<x>\d+)_yini_(?P<y>\d+)"
)


def read_set(root: Path, tile_px: int, masks: str = "masks") -> TileSet:
    """All tiles of a set, listed by their names; nothing is opened but the workbooks.

    Args:
        root: folder with `images/`, or one whose `SICAPv2/` or `SICAPv2/SICAPv2/` has it.
        tile_px: side that tiles must have; checked when they are read.
        masks: folder of the masks, `masks` or `masks_exact`.

    Raises:
        FileNotFoundError: if there is no set, or no `wsi_labels.xlsx`.
        BadInput: if names, workbooks and files do not fit together.
    """
    root = find_root(root)
    paths = sorted(path for path in (root / "images").iterdir() if path.suffix == ".jpg")
    if not paths:
        raise BadInput(f"{root / 'images'}: no .jpg tiles; expected {GRAMMAR}")
    drawn, labels = _list_masks(root, masks), _read_labels(root)
    tiles = tuple(_tile(path, drawn, labels) for path in paths)
    _refuse_missing(root, labels, tiles)
    slides, present = read_slides(root / "wsi_labels.xlsx"), {tile.slide_id for tile in tiles}
    if unknown := sorted(present - set(slides)):
        raise BadInput(
            f"{root / 'wsi_labels.xlsx'}: {len(unknown)} slide(s) of images/ are not listed, "
            f"first {unknown[0]}; add a row for each (grades may be empty)"
        )
    known = {name: slide for name, slide in slides.items() if name in present}
    return TileSet(slides=known, tiles=tiles, tile_px=tile_px)


def read_split(root: Path, fold: Fold, tile_set: TileSet) -> Split:
    """Training, validation and test tiles of a fold, each listed tile once.

    Args:
        root: the set's folder, as for `read_set`.
        fold: its Train trains, its Test validates; the Test partition tests. `All` trains on the
            whole training partition, and validates on tiles of it (Val1's).
        tile_set: what `read_set` gave for the same folder.

    Raises:
        FileNotFoundError: if a workbook is missing.
        BadInput: if parts share patients, are empty, or list tiles without file or mask.
    """
    root = find_root(root)
    places = {tile.name: i for i, tile in enumerate(tile_set.tiles)}

    def part(workbook: str) -> TileSet:
        path = root / "partition" / f"{workbook}.xlsx"
        names = read_tile_labels(path)
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
        by_position=len(tile_set.slides) == 1 or _is_split_by_position(root),
    )


class SetWriter:
    """Writes a set: tiles in any order and by any number of processes, then the workbooks once."""

    def __init__(self, root: Path, *, um_per_px: float | None = None) -> None:
        """Write below `root`; `um_per_px`, where known, is noted in `set.json`."""
        self.root = root
        self.um_per_px = um_per_px

    def add(self, name: str, image: Pixels, mask: Pixels, exact: Pixels | None = None) -> None:
        """Write one tile.

        Args:
            name: its name, without suffix.
            image: uint8 [H, H, 3].
            mask: uint8 [H, H], labels 0..3 and 255.
            exact: mask without an annotator's errors; only simulated tiles have one.

        Raises:
            BadInput: if the name breaks the grammar.
            ValueError: if sizes differ, or a mask holds another value.
        """
        parse_name(name)
        drawn = {"masks": mask} if exact is None else {"masks": mask, "masks_exact": exact}
        for folder, pixels in drawn.items():
            if pixels.shape != image.shape[:2]:
                raise ValueError(f"{name}: {folder} {pixels.shape} beside image {image.shape}")
            path = self.root / folder / f"{name}.png"
            write_bytes(path, encode_mask(pixels), is_durable=False)
        path = self.root / "images" / f"{name}.jpg"
        write_bytes(path, encode_jpeg(image), is_durable=False)

    def finish(
        self,
        slides: Sequence[Slide],
        partitions: Mapping[str, Sequence[str]],
        labels: Mapping[str, Label],
        *,
        is_split_by_position: bool = False,
    ) -> None:
        """Write workbooks and `set.json` for the tiles on disk.

        Args:
            slides: every slide of the set.
            partitions: slide ids by workbook: "Test/Train", "Validation/Val1/Test", ...
            labels: label by tile name; tiles without one are in no workbook.
            is_split_by_position: partitions hold names of tiles instead, because there are too
                few slides to keep them whole.

        Raises:
            BadInput: if there is no tile.
            ValueError: if a partition or a label names what is not there.
        """
        names = sorted(path.stem for path in (self.root / "images").glob("[!.]*.jpg"))
        if not names:
            raise BadInput(f"{self.root}: no tile was written, so there is no set to finish")
        owners = {name: parse_name(name)["slide"] for name in names}
        _refuse_unknown(owners.values(), [slide.slide_id for slide in slides], "images")
        keys = {name: name for name in names} if is_split_by_position else owners
        known = set(names) if is_split_by_position else {slide.slide_id for slide in slides}
        _refuse_unknown(labels, names, "labels")
        for workbook, members in partitions.items():
            _refuse_unknown(members, known, workbook)
            chosen = set(members)
            listed = {n: labels[n] for n in names if n in labels and keys[n] in chosen}
            path = self.root / "partition" / f"{workbook}.xlsx"
            write_bytes(path, encode_tile_labels(listed), is_durable=False)
        write_bytes(self.root / "wsi_labels.xlsx", encode_slides(slides), is_durable=False)
        sync_all()
        with Image.open(self.root / "images" / f"{names[0]}.jpg") as first:
            facts = {"written_by": "disc", "tile_px": first.width, "um_per_px": self.um_per_px}
        write_json(self.root / "set.json", {**facts, "is_split_by_position": is_split_by_position})


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


def parse_name(name: str) -> re.Match[str]:
    """Parts of a tile's name (without suffix): slide, region, row, col, x, y.

    Raises:
        BadInput: if it breaks the grammar.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadInput(f"tile name '{name}' breaks the grammar {GRAMMAR}; rename or remove it")
    return match


def format_name(slide_id: str, place: tuple[int, int], x: int, y: int) -> str:
    """Name of a tile of region 0, at some row and column, whose corner is at level-0 (x, y)."""
    return f"{slide_id}_Block_Region_0_{place[0]}_{place[1]}_xini_{x}_yini_{y}"


def _tile(path: Path, drawn: Mapping[str, Path], labels: Mapping[str, Label]) -> Tile:
    try:
        match = parse_name(path.stem)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    return Tile(
        name=path.stem,
        slide_id=match["slide"],
        image=path,
        mask=drawn.get(path.stem),
        x=int(match["x"]),
        y=int(match["y"]),
        label=labels.get(path.stem),
    )


def _list_masks(root: Path, masks: str) -> dict[str, Path]:
    folder = root / masks
    if folder.is_dir():
        return {path.stem: path for path in folder.iterdir() if path.suffix == ".png"}
    if masks == "masks":
        return {}
    raise BadInput(f"{folder}: no such folder; only simulated sets have exact masks")


def _read_labels(root: Path) -> dict[str, Label]:
    books = [root / "partition" / "Test" / f"{part}.xlsx" for part in ("Train", "Test")]
    tables = [read_tile_labels(book) for book in books if book.exists()]
    return {name: label for table in tables for name, label in table.items()}


def _refuse_missing(root: Path, names: Iterable[str], tiles: Iterable[Tile]) -> None:
    missing = sorted(set(names) - {tile.name for tile in tiles})
    if missing:
        raise BadInput(
            f"{root / 'partition'}: {len(missing)} listed tile(s) are not in {root / 'images'}, "
            f"first {missing[0]}.jpg; restore them or correct the workbooks"
        )


def _refuse_unmasked(workbook: Path, tiles: Sequence[Tile]) -> None:
    bare = [tile for tile in tiles if tile.mask is None]
    if bare:
        raise BadInput(
            f"{bare[0].image}: has no mask (one of {len(bare)} in {workbook}); expected "
            f"masks/{bare[0].name}.png beside images/"
        )


def _refuse_unknown(names: Iterable[str], known: Iterable[str], where: str) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{where}: {len(unknown)} unknown name(s), first {unknown[0]}")


def _is_split_by_position(root: Path) -> bool:
    path = root / "set.json"
    return path.exists() and bool(read_json(path).get("is_split_by_position"))
