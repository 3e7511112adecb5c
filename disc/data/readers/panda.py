"""PANDA as it was downloaded: slides with their scores, and tiles where coordinates say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from disc.data.pixels.mask_values import PANDA, RADBOUD, Meaning
from disc.data.readers.listed_tiles import place_tiles
from disc.data.readers.slide_table import NAMES, Row, note_unscored, read_slide_table
from disc.data.readers.source import Source
from disc.data.tables.image_files import Listing, list_images
from disc.data.tables.matching import match_names
from disc.data.tables.tables import cell_text, fact_text, is_nothing, read_table
from disc.data.tiles.decoding import Reading
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput

TILE_PX = 512


def read_panda(source: Source, *, is_ahead: bool = False) -> TileSet:
    """Slides of PANDA, and their tiles if there are coordinates; nothing is opened but tables.

    Slides whose ISUP group contradicts their Gleason score (one is known) count as not scored.

    Args:
        source: its root has `train.csv`, `train_images/` and, if there are masks,
            `train_label_masks/`.
        is_ahead: whether the table alone counts where there is no slide yet, as when slides are
            chosen that are to be fetched.

    Raises:
        FileNotFoundError: if folder or table are missing.
        BadInput: if tables and files do not fit together.
    """
    table = source.slides or source.root / "train.csv"
    folder = source.root / "train_images"
    listing = Listing(folder, {}, ()) if is_ahead and not folder.is_dir() else list_images(folder)
    cases, notes = _match_rows(table, listing.images, is_ahead=is_ahead)
    notes = [*listing.notes(), *notes]
    slides = _list_slides(source, cases, listing.images)
    # Before a list takes slides away: two may show one tissue by way of a third.
    slides = _kept(source, _group_duplicates(source, slides, notes), notes)
    _note_slides(table, cases, slides, notes)
    reading = Reading(
        meaning=Meaning(source.values) if source.values else RADBOUD,
        by_provider={} if source.values else PANDA,
        artefact_px=source.artefact_px,
        reach_um=source.reach_um,
    )
    tiles: list[Tile] = []
    if source.coordinates is not None:
        tiles, left = place_tiles(slides, source.coordinates)
        notes += left
    return TileSet(
        slides={slide.slide_id: slide for slide in slides},
        tiles=tuple(replace(tile, um_per_px=_tile_um(source, tile.box_px)) for tile in tiles),
        tile_px=source.tile_px or TILE_PX,
        reading=reading,
        notes=tuple(notes),
    )


def _match_rows(
    table: Path, images: Mapping[str, Path], *, is_ahead: bool
) -> tuple[dict[str, Row], list[str]]:
    """What the table says of each image, and notes."""
    rows = read_slide_table(table, is_unique=True)
    if is_ahead and not images:
        return rows, [f"{table}: no slide is there yet, so all {len(rows)} rows count"]
    matches = match_names(images, rows, table)
    return {name: rows[row] for name, row in matches.rows.items()}, list(matches.notes)


def _tile_um(source: Source, box_px: float | None) -> float | None:
    if source.um_per_px is None or box_px is None:
        return None
    return source.um_per_px * box_px / (source.tile_px or TILE_PX)


def _list_slides(
    source: Source, cases: Mapping[str, Row], images: Mapping[str, Path]
) -> list[Slide]:
    masks: Mapping[str, Path] = {}
    (folder,) = source.masks or ("train_label_masks",)
    if source.masks or (source.root / folder).exists():
        found = list_images(source.root / folder).images
        masks = {stem.removesuffix("_mask"): path for stem, path in found.items()}
    slides = []
    for name, case in cases.items():
        if name in masks and case.provider not in PANDA and not source.values:
            raise BadInput(
                f"{masks[name]}: data_provider is '{case.provider}', so what its values mean "
                f"is unknown; expected {' or '.join(PANDA)}, or say it with --values"
            )
        primary, secondary = case.grades
        slide = Slide(
            slide_id=name,
            patient_id=case.patient or name,
            primary=primary,
            secondary=secondary,
            provider=case.provider,
            image=images.get(name),
            mask=masks.get(name),
        )
        slides.append(slide)
    if not slides:
        raise BadInput(f"{source.root / 'train_images'}: no slide that the table lists")
    return slides


def _kept(source: Source, slides: list[Slide], notes: list[str]) -> list[Slide]:
    """The slides that a list of the user keeps."""
    if source.keep is None:
        return slides
    kept, listed = read_keep(source.keep, source.noise_column)
    matches = match_names([slide.slide_id for slide in slides], listed, source.keep)
    notes += matches.notes
    chosen = [slide for slide in slides if matches.rows.get(slide.slide_id) in kept]
    if not chosen:
        raise BadInput(f"{source.keep}: keeps no slide of {source.root}; expected its image_id")
    notes.append(f"{source.keep}: leaves out {len(slides) - len(chosen)} of {len(slides)} slide(s)")
    return chosen


def read_keep(path: Path, noise_column: str) -> tuple[set[str], list[str]]:
    """Slides that a list keeps, those with a 1 in the noise column or all, and those it lists.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it has noise columns but not the requested one, or values other than 0 and 1.
    """
    columns = [noise_column, *(f"noise_ratio_{n}" for n in _RATIOS)]
    rows = dict(_read_named(path, [], columns))
    names = list(rows)
    if not rows or noise_column not in next(iter(rows.values())):
        if found := {column for row in rows.values() for column in row} & set(columns):
            raise BadInput(f"{path}: no column {noise_column}; found {', '.join(sorted(found))}")
        return set(names), names
    marks = {name: cell_text(row[noise_column]).removesuffix(".0") for name, row in rows.items()}
    if wrong := sorted(set(marks.values()) - {"0", "1"}):
        raise BadInput(f"{path}: {noise_column} has '{wrong[0]}'; expected 1 (keep) or 0 (noise)")
    return {name for name, mark in marks.items() if mark == "1"}, names


_RATIOS = (5, 10, 15, 20)


def _read_named(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> list[tuple[str, dict[str, Any]]]:
    """Rows of a table, each with the slide that it names."""
    rows = read_table(path, columns, [*NAMES, *optional])
    name = next((name for name in NAMES if rows and name in rows[0]), None)
    if name is None:
        raise BadInput(f"{path}: no column image_id with names below it; expected one of slides")
    return [(cell_text(row[name]), row) for row in rows]


def _group_duplicates(source: Source, slides: list[Slide], notes: list[str]) -> list[Slide]:
    """Slides that show the same tissue become slides of one patient, as do all of their patients'.

    A patient who is in a group is called after the first of the groups that hang together.
    """
    if source.duplicates is None:
        return slides
    rows = _read_named(source.duplicates, ["group_id"])
    names = dict.fromkeys(name for name, _ in rows)
    matches = match_names([slide.slide_id for slide in slides], names, source.duplicates)
    notes += matches.notes
    # Slides that are not there count too: what they link is one tissue all the same.
    slide_of = {row: name for name, row in matches.rows.items()}
    links: list[tuple[_Node, _Node]] = [
        (("slide", slide.slide_id), ("patient", slide.patient_id)) for slide in slides
    ]
    for name, row in rows:
        # Rows without a name are no one slide.
        is_named = name in slide_of or not is_nothing(name)
        if is_named and (group := fact_text(row["group_id"]).removesuffix(".0")):
            links.append((("slide", slide_of.get(name, name)), ("group", group)))
    firsts = _join(links)
    found = [(slide, firsts["slide", slide.slide_id]) for slide in slides]
    return [
        replace(slide, patient_id=f"group-{name}" if kind == "group" else name)
        for slide, (kind, name) in found
    ]


_Node = tuple[str, str]
"""A group, patient or slide: the kind, of which groups come first in the alphabet, and the name."""


def _join(links: Iterable[tuple[_Node, _Node]]) -> dict[_Node, _Node]:
    """The first node of all that hang together, for every node."""
    parents: dict[_Node, _Node] = {}

    def first(node: _Node) -> _Node:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = node = parents[parent]
        return node

    for one, other in links:
        low, high = sorted((first(one), first(other)))
        parents[high] = low
    return {node: first(node) for node in list(parents)}


def _note_slides(
    table: Path, cases: Mapping[str, Row], slides: Sequence[Slide], notes: list[str]
) -> None:
    unmasked = [slide.slide_id for slide in slides if slide.mask is None]
    if unmasked:
        notes.append(f"{table}: {len(unmasked)} slide(s) without a mask, first {unmasked[0]}")
    notes += note_unscored(table, {slide.slide_id: cases[slide.slide_id] for slide in slides})
