"""The workbooks of a set in the SICAPv2 layout, read without stopping at the first faulty row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from disc.data.check.contents import Contents
from disc.data.check.report import Case
from disc.data.readers.sicapv2_tables import OnFault, read_partition, read_slides
from disc.data.tables.tables import find_table
from disc.files import BadInput
from disc.labels import Label

_FOLDS = [f"Validation/Val{number}" for number in range(1, 5)]
OFFICIAL_BOOKS = [f"{folder}/{part}" for folder in ("Test", *_FOLDS) for part in ("Train", "Test")]
"""Workbooks of SICAPv2, without the Cribriform ones."""
_Table = TypeVar("_Table")


def read_books(contents: Contents) -> None:
    """Add parts, slides and labels of a set to its contents, and what is wrong with them."""
    folder = contents.root / "partition"
    found = {
        path.relative_to(folder).with_suffix("").as_posix()
        for path in folder.rglob("*")
        if path.suffix in {".xlsx", ".csv"} and not path.stem.endswith("Cribfriform")
    }
    _report_missing(contents, folder, found)
    for book in sorted(found):
        path = find_table(folder / f"{book}.xlsx")
        entries = _read(contents, path, read_partition) or {}
        contents.parts[book] = {name: entry.label for name, entry in entries.items()}
        marks = [entry.is_cribriform for entry in entries.values()]
        if any(mark is not None for mark in marks):
            contents.cribriform[book] = sum(mark is True for mark in marks)
    path = find_table(contents.root / "wsi_labels.xlsx")
    contents.slides = dict(_read(contents, path, read_slides) or {})


def merge_labels(contents: Contents) -> dict[str, Label]:
    """Label of every listed tile; a contradiction between workbooks is a finding."""
    labels: dict[str, Label] = {}
    cases = []
    for book, part in contents.parts.items():
        path = find_table(contents.root / "partition" / f"{book}.xlsx")
        for name, label in part.items():
            if label is None:
                continue
            known = labels.setdefault(name, label)
            if known != label:
                cases.append(Case(note=f"{name}: {known.name} and {label.name}", files=(path,)))
    contents.error(
        "contradicting-labels",
        (
            f"{len(cases)} row(s) that give a tile another label than another workbook",
            "one label for a tile, in all workbooks",
            "correct the workbooks",
        ),
        cases,
    )
    return labels


def _report_missing(contents: Contents, folder: Path, found: set[str]) -> None:
    wanted = OFFICIAL_BOOKS if contents.is_official else _partners(found)
    missing = [book for book in wanted if book not in found]
    contents.error(
        "missing-workbook",
        (
            f"{len(missing)} workbook(s) of the partition are missing",
            "Train.xlsx and Test.xlsx of each division",
            "restore them; the parts of the split are read from them",
        ),
        [Case(note=book, files=(folder / f"{book}.xlsx",)) for book in missing],
    )


def _partners(found: set[str]) -> list[str]:
    """What a set of our own needs: some part, and both parts of a fold."""
    folds = sorted({book.rpartition("/")[0] for book in found if book.startswith("Validation/")})
    any_part = [] if found & {"Test/Train", "Test/Test"} else ["Test/Train", "Test/Test"]
    return any_part + [f"{fold}/{part}" for fold in folds for part in ("Train", "Test")]


def _read(contents: Contents, path: Path, read: Callable[[Path, OnFault], _Table]) -> _Table | None:
    """Read a workbook; faulty rows, or all of it if its reader refuses it, are a finding."""
    faults: list[Exception] = []
    table = None
    try:
        table = read(path, faults.append)
    except (BadInput, OSError) as error:
        faults.append(error)
    notes = [" ".join(str(fault).split()).removeprefix(f"{path}: ") for fault in faults]
    contents.error(
        "bad-workbook",
        (
            f"{len(notes)} fault(s) in {path.relative_to(contents.root)}",
            "a workbook as SICAPv2 has them",
            "correct it; its faulty rows count for nothing here",
        ),
        [Case(note=note, files=(path,)) for note in notes],
    )
    return table
