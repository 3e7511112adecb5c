"""Names of slides and tiles in a new set: those that its readers will find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from disc.data.tables.matching import clean
from disc.data.tables.tables import is_nothing
from disc.data.tiles.names import as_id, find_name_fault, format_name, is_foreign
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput


def name_slides(tiles: TileSet) -> tuple[dict[str, Slide], dict[str, str]]:
    """Slides that have tiles, by their old ids, with names that stay the same when they are read.

    Returns:
        The slides, and by old id why others cannot be in the set.

    Raises:
        BadInput: if two slides would have one name, or no slide has a name that can be written.
    """
    files: dict[str, Path] = {}
    for tile in tiles.tiles:
        files.setdefault(tile.slide_id, tile.image)
    slides: dict[str, Slide] = {}
    faults: dict[str, str] = {}
    for old, slide in tiles.slides.items():
        if old not in files:
            continue
        # Cells are cleaned where they are read, so patients that differ in blanks are one.
        new = replace(slide, slide_id=as_id(old), patient_id=clean(slide.patient_id))
        if fault := find_name_fault(new.slide_id) or _find_patient_fault(new):
            faults[old] = f"{str(files[old])!a}: {fault}"
        else:
            slides[old] = new
    if not slides:
        first = next(iter(faults.values()))
        several = f"none of {len(faults)} slides has a name that can be written; the first: "
        raise BadInput(several + first if len(faults) > 1 else first)
    _refuse_same(slides, files)
    return slides, faults


def _find_patient_fault(slide: Slide) -> str:
    patient = slide.patient_id
    is_named = not is_nothing(patient) or (patient and patient == slide.slide_id)
    if is_named and not is_foreign(patient):
        return ""
    return (
        f"its patient is called {patient!a}; expected a name of characters that tables can hold, "
        "and none that says nothing (NA, None, ...); rename the folder, or correct the table, that "
        "calls it so"
    )


def _refuse_same(slides: Mapping[str, Slide], files: Mapping[str, Path]) -> None:
    first: dict[str, str] = {}
    for old, slide in slides.items():
        if (other := first.setdefault(slide.slide_id, old)) != old:
            # Escaped: names that differ in blanks or kinds of characters look the same.
            raise BadInput(
                f"{str(files[other])!a} and {str(files[old])!a} are of slides that would both be "
                f"called {slide.slide_id}; rename one"
            )


def name_tiles(tiles: TileSet, slides: Mapping[str, Slide]) -> list[str]:
    """Names of the tiles in the new set; those of unknown place are numbered.

    Args:
        tiles: the set.
        slides: as they will be called, by their old ids.
    """
    names = []
    numbers = dict.fromkeys(slides, 0)
    for tile in tiles.tiles:
        number = numbers[tile.slide_id]
        numbers[tile.slide_id] += 1
        names.append(_name(tile, slides[tile.slide_id].slide_id, number, tiles.tile_px))
    return names


def _name(tile: Tile, slide_id: str, number: int, tile_px: int) -> str:
    is_placed = tile.box_px is not None or tile.x > 0 or tile.y > 0
    # Tiles of unknown place stand below each other.
    x, y = (tile.x, tile.y) if is_placed else (0, number * tile_px)
    return format_name(slide_id, (number, 0), x, y)
