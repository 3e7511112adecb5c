"""The two kinds of workbook in SICAPv2: labels of tiles, and scores of slides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from disc.data.readers.slide_table import read_grade
from disc.data.tables.matching import stem_of
from disc.data.tables.tables import (
    cell_text,
    encode_table,
    fact_text,
    find_table,
    is_nothing,
    read_table,
)
from disc.data.tiles.records import OfficialSplit, Slide
from disc.files import BadInput
from disc.labels import Label, check_score

LABEL_COLUMNS = {"NC": Label.NC, "G3": Label.GG3, "G4": Label.GG4, "G5": Label.GG5}
SLIDE_COLUMNS = ("slide_id", "patient_id", "Gleason_primary", "Gleason_secondary")
_YES = {"1", "true", "True"}
OnFault = Callable[[BadInput], None]
"""What is done about a faulty row: refuse the workbook, or note it and read the next."""


def refuse(fault: BadInput) -> None:
    """Refuse the workbook."""
    raise fault


@dataclass(frozen=True, slots=True)
class Entry:
    """What a partition workbook says of a tile."""

    label: Label | None
    is_cribriform: bool | None = None
    """Whether it is cribriform GG4 (G4C); None: not said."""
    split: OfficialSplit = ""
    """Official part that lists it."""


def read_listed(root: Path) -> dict[str, Entry]:
    """Every tile that `partition/Test` lists; of one in both parts, what the test says of it."""
    listed: dict[str, Entry] = {}
    parts: tuple[tuple[str, OfficialSplit], ...] = (("Train", "train"), ("Test", "test"))
    for name, split in parts:
        path = root / "partition" / "Test" / f"{name}.xlsx"
        entries = read_partition(path) if find_table(path).exists() else {}
        listed |= {tile: replace(entry, split=split) for tile, entry in entries.items()}
    return listed


def read_partition(path: Path, on_fault: OnFault = refuse) -> dict[str, Entry]:
    """Every tile that a partition workbook lists, by name without suffix.

    Rows marked in a column `unlabeled`, which some copies add, repeat others and do not count.

    Args:
        path: the workbook. Where it has no column G4C, `TrainCribfriform` (sic) beside `Train`,
            if it is there, says which tiles are cribriform.
        on_fault: what is done about a faulty row.

    Raises:
        FileNotFoundError: if there is no such workbook.
        BadInput: if a column is missing, a row is neither one-hot nor empty, or rows contradict.
    """
    entries = _read_entries(find_table(path), on_fault)
    beside = find_table(path.with_stem(f"{path.stem}Cribfriform"))
    if beside.exists() and all(entry.is_cribriform is None for entry in entries.values()):
        for row in read_table(beside, ["image_name", "G4C"]):
            if (name := _stem(row)) in entries:
                said = _mark(row["G4C"]) in _YES
                entries[name] = replace(entries[name], is_cribriform=said)
    return entries


def _read_entries(path: Path, on_fault: OnFault = refuse) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for row in read_table(path, ["image_name", *LABEL_COLUMNS], ["unlabeled", "G4C"]):
        if _mark(row.get("unlabeled")) in _YES:
            continue
        name, mark = _stem(row), _mark(row.get("G4C"))
        try:
            entry = Entry(_one_hot(path, name, row), mark in _YES if mark else None)
        except BadInput as fault:
            on_fault(fault)
            continue
        if entries.setdefault(name, entry).label != entry.label:
            text = f"{path}: {name} is listed twice with different labels; keep one row"
            on_fault(BadInput(text))
    return entries


def read_slides(path: Path, on_fault: OnFault = refuse) -> dict[str, Slide]:
    """Slides by id; empty grades mean an unlabelled slide.

    Args:
        path: the workbook.
        on_fault: what is done about a faulty row.

    Raises:
        FileNotFoundError: if there is no such workbook.
        BadInput: if a column or an id is missing, a grade is unknown, or a slide is listed twice.
    """
    slides: dict[str, Slide] = {}
    path = find_table(path)
    for row in read_table(path, SLIDE_COLUMNS):
        try:
            slide = _slide(path, row)
        except BadInput as fault:
            on_fault(fault)
            continue
        if slides.setdefault(slide.slide_id, slide) != slide:
            on_fault(BadInput(f"{path}: slide {slide.slide_id} is listed twice; keep one row"))
    return slides


def encode_tile_labels(labels: Mapping[str, Label | None]) -> bytes:
    """A partition workbook; G4C, cribriform GG4, is not known and always 0.

    A tile without a label has empty cells.
    """
    rows = [
        {
            "image_name": f"{name}.jpg",
            **{
                column: None if label is None else int(label == known)
                for column, known in LABEL_COLUMNS.items()
            },
            "G4C": None if label is None else 0,
        }
        for name, label in labels.items()
    ]
    return encode_table(["image_name", *LABEL_COLUMNS, "G4C"], rows)


def encode_slides(slides: Iterable[Slide]) -> bytes:
    """The workbook of slides; unknown grades stay empty."""
    values = [(s.slide_id, s.patient_id, s.primary, s.secondary) for s in slides]
    rows = [dict(zip(SLIDE_COLUMNS, row, strict=True)) for row in values]
    return encode_table(SLIDE_COLUMNS, rows)


def _one_hot(path: Path, name: str, row: Mapping[str, Any]) -> Label | None:
    """The label of a tile; None where all cells are empty."""
    marks = {column: _mark(row[column]) for column in LABEL_COLUMNS}
    if not any(marks.values()):
        return None
    chosen = [LABEL_COLUMNS[column] for column, mark in marks.items() if mark == "1"]
    if len(chosen) != 1 or not set(marks.values()) <= {"0", "1"}:
        raise BadInput(f"{path}: {name} has {marks}; expected a 1 in one column and 0 elsewhere")
    return chosen[0]


def _stem(row: Mapping[str, Any]) -> str:
    return stem_of(cell_text(row["image_name"]))


def _slide(path: Path, row: Mapping[str, Any]) -> Slide:
    name, patient = (cell_text(row[column]) for column in SLIDE_COLUMNS[:2])
    # A slide that is really called NA may be its own patient.
    if not name or (is_nothing(patient) and patient != name):
        raise BadInput(f"{path}: a row has slide_id '{name}', patient_id '{patient}'; give both")
    primary, secondary = (fact_text(row[column]) for column in SLIDE_COLUMNS[2:])
    if not primary and not secondary:
        return Slide(slide_id=name, patient_id=patient)
    try:
        grades = check_score(read_grade(primary), read_grade(secondary))
    except ValueError as error:
        raise BadInput(f"{path}: slide {name}: {error}") from error
    return Slide(slide_id=name, patient_id=patient, primary=grades[0], secondary=grades[1])


def _mark(cell: object) -> str:
    """A 0, a 1 or a word; CSVs of other programs write 1.0."""
    return cell_text(cell).removesuffix(".0")
