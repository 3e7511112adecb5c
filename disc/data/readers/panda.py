"""PANDA as it was downloaded: slides with their scores, and tiles where coordinates say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from disc.data.pixels.mask_values import PANDA, RADBOUD, Meaning
from disc.data.readers.listed_tiles import place_tiles
from disc.data.readers.panda_table import Case, read_cases
from disc.data.readers.source import Source
from disc.data.tables.image_files import list_images
from disc.data.tables.tables import read_table
from disc.data.tiles.decoding import Reading
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.labels import isup_group

TILE_PX = 512


def read_panda(source: Source) -> TileSet:
    """Slides of PANDA, and their tiles if there are coordinates; nothing is opened but tables.

    Slides whose ISUP group contradicts their Gleason score (one is known) count as not scored.

    Args:
        source: its root has `train.csv`, `train_images/` and, if there are masks,
            `train_label_masks/`.

    Raises:
        FileNotFoundError: if folder or table are missing.
        BadInput: if tables and files do not fit together.
    """
    table = source.slides or source.root / "train.csv"
    cases = read_cases(table)
    listing = list_images(source.root / "train_images")
    notes = listing.notes()
    slides = _kept(source, _list_slides(source, cases, listing.images), notes)
    _count_differences(table, cases, listing.images, notes)
    slides = _group_duplicates(source, slides)
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


def _tile_um(source: Source, box_px: float | None) -> float | None:
    if source.um_per_px is None or box_px is None:
        return None
    return source.um_per_px * box_px / (source.tile_px or TILE_PX)


def _list_slides(
    source: Source, cases: Mapping[str, Case], images: Mapping[str, Path]
) -> list[Slide]:
    masks: Mapping[str, Path] = {}
    (folder,) = source.masks or ("train_label_masks",)
    if source.masks or (source.root / folder).exists():
        found = list_images(source.root / folder).images
        masks = {stem.removesuffix("_mask"): path for stem, path in found.items()}
    slides = []
    for name in (name for name in cases if name in images):
        case = cases[name]
        if name in masks and case.provider not in PANDA and not source.values:
            raise BadInput(
                f"{masks[name]}: data_provider is '{case.provider or ''}', so what its values mean "
                f"is unknown; expected {' or '.join(PANDA)}, or say it with --values"
            )
        primary, secondary = (_is_sound(case) and case.score) or (None, None)
        slide = Slide(
            slide_id=name,
            patient_id=case.patient or name,
            primary=primary,
            secondary=secondary,
            provider=case.provider or "",
            image=images[name],
            mask=masks.get(name),
        )
        slides.append(slide)
    if not slides:
        raise BadInput(f"{source.root / 'train_images'}: no slide that the table lists")
    return slides


def _is_sound(case: Case) -> bool:
    return case.score is None or case.isup in ("", str(isup_group(*case.score)))


def _kept(source: Source, slides: list[Slide], notes: list[str]) -> list[Slide]:
    """The slides that a list of the user keeps."""
    if source.keep is None:
        return slides
    kept = read_keep(source.keep, source.noise_column)
    chosen = [slide for slide in slides if slide.slide_id in kept]
    if not chosen:
        raise BadInput(f"{source.keep}: keeps no slide of {source.root}; expected its image_id")
    notes.append(f"{source.keep}: leaves out {len(slides) - len(chosen)} of {len(slides)} slide(s)")
    return chosen


def read_keep(path: Path, noise_column: str) -> set[str]:
    """Slides that a list keeps: those with a 1 in the noise column, or all that it lists.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it has noise columns but not the requested one, or values other than 0 and 1.
    """
    rows = read_table(path, ["image_id"], [noise_column, *(f"noise_ratio_{n}" for n in _RATIOS)])
    if not rows or noise_column not in rows[0]:
        if rows and len(rows[0]) > 1:
            raise BadInput(f"{path}: no column {noise_column}; found {', '.join(rows[0])}")
        return {str(row["image_id"]) for row in rows}
    marks = {str(row["image_id"]): str(row[noise_column]).removesuffix(".0") for row in rows}
    if wrong := sorted(set(marks.values()) - {"0", "1"}):
        raise BadInput(f"{path}: {noise_column} has '{wrong[0]}'; expected 1 (keep) or 0 (noise)")
    return {name for name, mark in marks.items() if mark == "1"}


_RATIOS = (5, 10, 15, 20)


def _group_duplicates(source: Source, slides: list[Slide]) -> list[Slide]:
    """Slides that show the same tissue become slides of one patient."""
    if source.duplicates is None:
        return slides
    rows = read_table(source.duplicates, ["image_id", "group_id"])
    groups = {str(row["image_id"]): str(row["group_id"]).removesuffix(".0") for row in rows}
    return [
        replace(slide, patient_id=f"group-{groups[slide.slide_id]}")
        if slide.slide_id in groups
        else slide
        for slide in slides
    ]


def _count_differences(
    table: Path, cases: Mapping[str, Case], images: Mapping[str, Path], notes: list[str]
) -> None:
    for what, names in (
        ("listed without an image", sorted(set(cases) - set(images))),
        ("image(s) that it does not list", sorted(set(images) - set(cases))),
    ):
        if names:
            notes.append(f"{table}: {len(names)} {what}, left out, first {names[0]}")


def _note_slides(
    table: Path, cases: Mapping[str, Case], slides: Sequence[Slide], notes: list[str]
) -> None:
    unmasked = [slide.slide_id for slide in slides if slide.mask is None]
    wrong = [slide.slide_id for slide in slides if not _is_sound(cases[slide.slide_id])]
    for what, names in (("without a mask", unmasked), ("score contradicts isup_grade", wrong)):
        if names:
            notes.append(f"{table}: {len(names)} slide(s) {what}, first {names[0]}")
