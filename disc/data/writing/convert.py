"""`disc convert`: a set that any reader reads becomes one in the SICAPv2 layout."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from disc.data.readers.read import read_source
from disc.data.tiles.labels import Counts
from disc.data.tiles.names import format_name
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.data.writing.box_scale import find_scale
from disc.data.writing.new_split import NUM_GROUPS, deal_patients, name_partitions
from disc.data.writing.request import ConvertRequest
from disc.data.writing.set_writer import SetWriter
from disc.data.writing.tile_files import write_tiles
from disc.files import BadInput, claim_folder
from disc.labels import GRADES, Label

_MIN_SECOND = 0.05
"""Fraction of graded pixels from which a second grade is in a score derived from masks."""


def convert_set(request: ConvertRequest) -> str:
    """Write every tile of a set with its mask, and divide the patients into folds and test.

    With fewer than five patients, all are the test: the set is for evaluation alone. Stopped, the
    same request writes the set again, in the same bytes.

    Returns:
        What was written, and what the reader noted; for people.

    Raises:
        FileNotFoundError: if the set is not there.
        BadInput: if it has no tiles, a file cannot be used, or `out` holds something else.
    """
    tiles = read_source(request.source)
    if not len(tiles):
        raise BadInput(f"{request.source.root}: slides without tiles; cut them with disc tile")
    slides = _rename(tiles.slides)
    facts = asdict(request)
    for name in ("skip_damaged", "processes"):  # They change nothing of what is written.
        del facts[name]
    claim_folder(request.out, facts)
    notes = list(tiles.notes)
    writer = SetWriter(request.out, um_per_px=find_scale(tiles, notes))
    written = write_tiles(
        tiles,
        _name_tiles(tiles, slides),
        writer,
        skip=request.skip_damaged,
        processes=request.processes,
    )
    labels, damaged = written.labels, written.damaged
    slides = _with_tiles(tiles, slides, damaged)
    if request.scores_from_masks:
        slides = score_by_masks(slides, written.pixels, notes)
    groups = deal_patients(list(slides.values()), request.seed)
    is_small = len({slide.patient_id for slide in slides.values()}) < NUM_GROUPS
    partitions: Mapping[str, Sequence[str]] = name_partitions(groups)
    if is_small:
        partitions = {"Test/Train": [], "Test/Test": [s.slide_id for s in slides.values()]}
    writer.finish(list(slides.values()), partitions, labels)
    parts = "all in Test/Test" if is_small else f"{NUM_GROUPS} parts by patient"
    num = len(tiles) - len(damaged)
    counts = f"{num} tiles of {len(slides)} slides, {len(labels)} with a label; {parts}"
    if not labels:
        counts += "; without tile labels it serves whole slides and as external set: a generator "
        counts += "and pixel-level graders need masks"
    left_out = [f"left out: {len(damaged)} damaged tile(s)"] if damaged else []
    left_out += [f"  {fault}" for fault in damaged.values()]
    return "\n".join([*notes, *left_out, f"{request.out}: {counts}"])


def score_by_masks(
    slides: Mapping[str, Slide], pixels: Mapping[str, Counts], notes: list[str]
) -> dict[str, Slide]:
    """Slides with scores, where they had none, of the two most frequent grades in their masks.

    A second grade counts from 5 % of the graded pixels on; a slide is benign where no pixel of it
    has a grade and some are Non-Cancer.

    Args:
        slides: by their old ids.
        pixels: of each label [4], by the same.
        notes: to which it is added how many were scored.
    """
    scored = dict(slides)
    for name, slide in slides.items():
        counts = pixels[name]
        if slide.primary is not None or not counts.any():
            continue
        first, second = np.argsort(-counts[1:], kind="stable")[:2] + 1
        is_mixed = counts[second] >= _MIN_SECOND * counts[1:].sum()
        grades = (GRADES[Label(int(first))], GRADES[Label(int(second if is_mixed else first))])
        primary, secondary = grades if counts[1:].any() else (0, 0)
        scored[name] = replace(slide, primary=primary, secondary=secondary)
    num = sum(slide.primary is not None for slide in scored.values())
    num -= sum(slide.primary is not None for slide in slides.values())
    notes.append(
        f"scores of {num} slide(s) were derived from their masks, which no pathologist gave"
    )
    return scored


def _with_tiles(
    tiles: TileSet, slides: Mapping[str, Slide], damaged: Collection[str]
) -> dict[str, Slide]:
    """The slides of which a tile was written."""
    kept = {tile.slide_id for tile in tiles.tiles if tile.name not in damaged}
    return {name: slide for name, slide in slides.items() if name in kept}


def _rename(slides: Mapping[str, Slide]) -> dict[str, Slide]:
    """Slides by their old names, with names that the grammar of tiles has room for."""
    new = {old: old.replace("_", "-") for old in slides}
    if len(set(new.values())) < len(new):
        twice = next(name for name in new.values() if list(new.values()).count(name) > 1)
        raise BadInput(f"two slides would be called {twice}; rename one")
    return {old: replace(slide, slide_id=new[old]) for old, slide in slides.items()}


def _name_tiles(tiles: TileSet, slides: Mapping[str, Slide]) -> list[str]:
    """Names of the tiles in the new set; those of unknown place are numbered."""
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
