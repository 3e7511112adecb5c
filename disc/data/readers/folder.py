"""Any folder of images with masks: LAPC, tissue microarrays, several raters, one file a class."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from disc.data.pixels.images import measure_side
from disc.data.pixels.mask_values import SICAPV2, Meaning
from disc.data.readers.class_folders import read_class
from disc.data.readers.image_scale import measure_all, note_sizes, square_px, with_scale
from disc.data.readers.listed_tiles import place_tiles
from disc.data.readers.slide_masks import names_beside
from disc.data.readers.slide_table import Row, note_unscored, read_slide_table
from disc.data.readers.source import Source
from disc.data.tables.image_files import IMAGES, Listing, list_images, name_file
from disc.data.tables.matching import list_some, match_heads
from disc.data.tiles.decoding import Reading
from disc.data.tiles.names import parse_name
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput

_NO_ROW = Row()
_MANY_SLIDES = 5
"""Slides of a patient; with more of each, folders are more likely classes."""


def read_folder(source: Source) -> TileSet:
    """Every image of a folder with its masks, listed; nothing is opened but the table.

    An image is a tile, or with `coordinates` a slide with tiles on it. It belongs to the slide of
    the table whose id is its stem or begins it (`<id>_...`); else to the one in its name, if that
    is SICAPv2's; else it is a slide of its own. A patient is the table's, or the subfolder
    (unless subfolders are classes), or the slide.

    Args:
        source: `images` names the folder of images; each of `masks` a folder of masks with equal
            stems, or a path with `{name}` in place of an image's stem. Without, they are `images`
            and, if it is there, `masks`.

    Raises:
        FileNotFoundError: if a folder or the table is missing.
        BadInput: if there is no image, or no mask of any.
    """
    folder = source.root / (source.images or "images")
    listing = list_images(folder, deep=True)
    _refuse_none(folder, listing)
    patterns = source.masks or (("masks",) if (source.root / "masks").exists() else ())
    masks = {pattern: find_masks(source.root, pattern, listing.images) for pattern in patterns}
    return gather(source, folder, listing.images, masks, listing.notes())


def gather(
    source: Source,
    folder: Path,
    images: Mapping[str, Path],
    masks: Mapping[str, Mapping[str, Path]],
    notes: Sequence[str],
) -> TileSet:
    """A set of images and the masks found for them, by where they were looked for."""
    table = read_slide_table(source.slides) if source.slides is not None else {}
    matches = match_heads({name: _heads(name) for name in images}, table, source.slides)
    found = {name: tuple(m[name] for m in masks.values() if name in m) for name in images}
    notes = [*notes, *matches.notes, *_note_masks(source, images, masks)]
    rows = {name: table[row] for name, row in matches.rows.items()}
    tiles = [
        _tile(path, matches.heads.get(name, name), found[name], rows.get(name, _NO_ROW))
        for name, path in images.items()
    ]
    is_class = source.labels_from == "folders"
    if is_class:
        tiles = [replace(tile, label=read_class(tile.image.parent)) for tile in tiles]
    flat = [tile for tile in tiles if is_class or tile.image.parent == folder]
    known = {**_first_rows(tiles, rows), **table}
    slides = _slides({tile.slide_id for tile in flat}, tiles, known)
    notes += _note_patients(source, folder, slides, known, flat)
    if source.slides is not None:
        notes += note_unscored(source.slides, {n: known.get(n, _NO_ROW) for n in slides})
    side = source.tile_px
    if source.coordinates is not None:
        placed = [replace(slides[t.slide_id], image=t.image, mask=t.mask) for t in tiles]
        slides = {slide.slide_id: slide for slide in placed}
        splits = {tile.slide_id: tile.split for tile in tiles}
        more = {tile.slide_id: tile.more_masks for tile in tiles}
        tiles, left = place_tiles(placed, source.coordinates, splits=splits, more_masks=more)
        notes += left
        side = side or round(tiles[0].box_px or 0)
    tile_px = side or measure_side(tiles[0].image)
    sizes = measure_all(source, tiles)
    notes += note_sizes(source, sizes, tile_px)
    return TileSet(
        slides=slides,
        tiles=with_scale(source, tiles, tile_px, sizes),
        tile_px=tile_px,
        reading=_reading(source),
        notes=tuple(notes),
    )


def _refuse_none(folder: Path, listing: Listing) -> None:
    if not listing.images:
        kinds = sorted({Path(name).suffix for name in listing.others} - {""})
        found = f"; found {len(listing.others)} file(s) {', '.join(kinds)}" if kinds else ""
        raise BadInput(
            f"{folder}: no images in it; expected {', '.join(sorted(IMAGES))}{found}; convert "
            "them, or name the folder with --images"
        )


def find_masks(root: Path, pattern: str, images: Mapping[str, Path]) -> dict[str, Path]:
    """Masks by name of their image.

    Args:
        root: folder of the set.
        pattern: a folder below it, or a path with `{name}` in place of an image's stem.
        images: by name.

    Raises:
        FileNotFoundError: if there is no such folder.
        BadInput: if there is no mask of any image.
    """
    if "{name}" in pattern:
        found = {
            name: path
            for name, image in images.items()
            for beside in reversed(names_beside(image))
            if (path := root / pattern.replace("{name}", beside)).is_file()
        }
    else:
        listed = list_images(root / pattern, deep=True).images
        found = {name: path for name, path in listed.items() if name in images}
    if not found:
        example = next(iter(images))
        raise BadInput(
            f"{root / pattern}: no mask of any image; expected one called {example}, or say with "
            "{name} how they are called, e.g. --masks 'masks/mask_{name}.png'"
        )
    return found


def _reading(source: Source) -> Reading:
    return Reading(
        meaning=Meaning(source.values) if source.values else SICAPV2,
        layers=source.layers,
        ties=source.ties,
        fit=source.fit,
        square_px=square_px(source),
        artefact_px=source.artefact_px,
    )


def _heads(name: str) -> tuple[str, ...]:
    """What the row of a tile's slide may be called: the tile, and beginnings of its name."""
    try:
        return name, parse_name(name)["slide"]
    except BadInput:
        parts = name.split("_")
        return tuple("_".join(parts[:end]) for end in range(len(parts), 0, -1))


def _tile(path: Path, slide_id: str, masks: Sequence[Path], row: Row) -> Tile:
    x, y = 0, 0
    name = name_file(path)
    try:
        match = parse_name(name)
    except BadInput:
        pass
    else:
        slide_id, x, y = match["slide"], int(match["x"]), int(match["y"])
    return Tile(
        name=name,
        slide_id=slide_id,
        image=path,
        mask=masks[0] if masks else None,
        x=x,
        y=y,
        split=row.split,
        more_masks=tuple(masks[1:]),
    )


def _first_rows(tiles: Sequence[Tile], rows: Mapping[str, Row]) -> dict[str, Row]:
    """Rows of slides, where a table lists tiles: that of a slide's first tile.

    Raises:
        BadInput: if tiles of a slide are of several patients.
    """
    first: dict[str, Row] = {}
    for tile in tiles:
        if (row := rows.get(tile.name)) is None:
            continue
        known = first.setdefault(tile.slide_id, row)
        if known.patient != row.patient:
            raise BadInput(
                f"{tile.image}: of slide {tile.slide_id}, whose tiles are of the patients "
                f"'{known.patient}' and '{row.patient}'; correct the table"
            )
    return first


def _slides(
    alone: Collection[str], tiles: Sequence[Tile], table: Mapping[str, Row]
) -> dict[str, Slide]:
    """Slides; the patient of one that no table names is its folder, or if it is alone itself."""
    slides = {}
    for tile in tiles:
        row = table.get(tile.slide_id, _NO_ROW)
        primary, secondary = row.grades
        inner = tile.slide_id if tile.slide_id in alone else tile.image.parent.name
        slides[tile.slide_id] = Slide(
            slide_id=tile.slide_id,
            patient_id=row.patient or inner,
            primary=primary,
            secondary=secondary,
            provider=row.provider,
        )
    return slides


def _note_masks(
    source: Source, images: Mapping[str, Path], masks: Mapping[str, Mapping[str, Path]]
) -> list[str]:
    unmasked = [name for name in images if not any(name in found for found in masks.values())]
    notes = (
        [f"{source.root}: {len(unmasked)} without a mask, first {unmasked[0]}"] if unmasked else []
    )
    if len(masks) > 1 and not source.layers:
        counts = ", ".join(f"{pattern} {len(found)}" for pattern, found in masks.items())
        notes.append(f"{source.root}: masks by rater: {counts}; majority, ties: {source.ties}")
    return notes


def _note_patients(
    source: Source,
    folder: Path,
    slides: Mapping[str, Slide],
    known: Mapping[str, Row],
    flat: Sequence[Tile],
) -> list[str]:
    """What patients were taken to be, where no table says who they are."""
    unnamed = [slide for name, slide in slides.items() if not known.get(name, _NO_ROW).patient]
    alone = {tile.slide_id for tile in flat}
    unknown = [slide.slide_id for slide in unnamed if slide.slide_id in alone]
    if unknown:
        which = "" if len(unknown) == len(slides) else f" of {len(unknown)} slide(s)"
        return [
            f"{source.root}: patients{which} are unknown, so each slide counts as a patient of its "
            f"own, first {unknown[0]}; give --slides with a column patient_id"
        ]
    patients = sorted({slide.patient_id for slide in unnamed})
    if not flat and len(unnamed) > _MANY_SLIDES * len(patients):
        return [
            f"{folder}: {len(unnamed)} slides of {len(patients)} patient(s), the folders "
            f"{list_some(patients)}; if these are classes, give --labels-from folders"
        ]
    return []
