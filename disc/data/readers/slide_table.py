"""Tables of slides: who, which score, which part, how wide pixels are; and whose files they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disc.data.tables.matching import list_some
from disc.data.tables.tables import cell_text, fact_text, read_table
from disc.data.tiles.names import is_foreign
from disc.data.tiles.records import OfficialSplit
from disc.files import BadInput
from disc.labels import check_score, isup_group, parse_score, score_of_isup

NAMES = ("image_id", "slide_id", "slide_name", "image_name", "wsi")
_PRIMARY = ("Gleason_primary", "primary")
_SECONDARY = ("Gleason_secondary", "secondary")
_SCORES = ("gleason_score", *_PRIMARY, *_SECONDARY, "isup_grade")
_SPLIT = ("split", "Partition")
_USEFUL = (*_SCORES, *_SPLIT, "patient_id", "mpp")
_PARTS: Mapping[str, OfficialSplit] = {"train": "train", "training": "train", "test": "test"}
_BENIGN = {"negative", "benign"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a table says of a slide, or of a tile."""

    score: tuple[int, int] | None = None
    patient: str = ""
    provider: str = ""
    split: OfficialSplit = ""
    isup: int | None = None
    """ISUP grade group, where it is said."""
    um_per_px: float | None = None
    """Width of a level-0 pixel of the slide in micrometres, where it is said."""

    @property
    def is_sound(self) -> bool:
        """Whether score and ISUP group go together."""
        return self.score is None or self.isup is None or self.isup == isup_group(*self.score)

    @property
    def grades(self) -> tuple[int | None, int | None]:
        """Primary and secondary grade; None where they are not said, or ISUP contradicts them."""
        return (self.is_sound and self.score) or (None, None)

    @property
    def is_open(self) -> bool:
        """Whether there is an ISUP group that leaves the two grades open."""
        return self.score is None and self.isup is not None


def read_slide_table(path: Path, *, is_unique: bool = False) -> dict[str, Row]:
    """Rows by name of the slide, from a CSV (with commas, semicolons or tabs) or an .xlsx.

    The name is in a column image_id, slide_id, slide_name, image_name or wsi. The others may be
    there: patient_id; gleason_score, or (Gleason_)primary and (Gleason_)secondary, or isup_grade;
    split or partition; data_provider; mpp, the width of a level-0 pixel in micrometres. Where they
    hold NA, nan, None and the like, they say nothing.

    Args:
        path: the table.
        is_unique: whether a name may come once only; else equal rows may repeat.

    Raises:
        FileNotFoundError: if there is no such table.
        BadInput: if it has no column of names or nothing about them, a row of another length than
            the header, a name twice, a score that is none, or a patient that no workbook takes.
    """
    found = read_table(path, [], [*NAMES, *_USEFUL, "data_provider"])
    columns = set(found[0]) if found else set()
    missing = ["gleason_score"] * columns.isdisjoint(_USEFUL)
    missing += ["image_id"] * columns.isdisjoint(NAMES)
    if missing:
        raise BadInput(
            f"{path}: no column {', '.join(missing)}; found "
            f"{', '.join(sorted(columns)) or 'none that is known'}; expected one of "
            f"{', '.join(NAMES)}, and of {', '.join((*_USEFUL, 'data_provider'))}"
        )
    rows: dict[str, Row] = {}
    for cells in found:
        name, row = _name(cells), _row(path, cells)
        if not name:
            raise BadInput(f"{path}: a row names no slide; give its name, or remove the row")
        if name in rows and (is_unique or rows[name] != row):
            text = "" if is_unique else " with different facts"
            raise BadInput(f"{path}: {name} is listed twice{text}; keep one row")
        rows[name] = row
    return rows


def note_unscored(table: Path, rows: Mapping[str, Row]) -> list[str]:
    """Slides that stay without a score though the table says something of it, for people.

    Args:
        table: where the rows are from.
        rows: by name of the slide.
    """
    return [
        f"{table}: {len(names)} slide(s) {what}, so not scored: {list_some(names)}"
        for what, names in (
            (
                "with isup_grade alone, 4 or 5, which leaves the grades open",
                [name for name, row in rows.items() if row.is_open],
            ),
            (
                "whose isup_grade contradicts their score",
                [name for name, row in rows.items() if not row.is_sound],
            ),
        )
        if names
    ]


def _row(path: Path, row: Mapping[str, Any]) -> Row:
    try:
        isup = _isup(row)
        score = _score(row)
        patient = _patient(row)
        um_per_px = _um(row)
    except ValueError as error:
        raise BadInput(f"{path}: {_name(row)}: {error}") from error
    has_score = any(_first(row, (column,)) for column in _SCORES[:-1])
    return Row(
        score=score if has_score or isup is None else score_of_isup(isup),
        patient=patient,
        provider=_first(row, ("data_provider",)),
        split=_PARTS.get(_first(row, _SPLIT).lower(), ""),
        isup=isup,
        um_per_px=um_per_px,
    )


def _score(row: Mapping[str, Any]) -> tuple[int, int] | None:
    if text := _first(row, ("gleason_score",)):
        return parse_score(text)
    primary, secondary = _first(row, _PRIMARY), _first(row, _SECONDARY)
    if not primary and not secondary:
        return None
    return check_score(read_grade(primary), read_grade(secondary))


def read_grade(text: str) -> int:
    """A Gleason grade, 0 where it says benign; CSVs of other programs write 3.0.

    Raises:
        ValueError: if it is no whole number.
    """
    if text.lower() in _BENIGN:
        return 0
    if not (whole := text.removesuffix(".0")).isdecimal():
        raise ValueError(f"grade '{text}'; expected 0, 3, 4 or 5")
    return int(whole)


def _isup(row: Mapping[str, Any]) -> int | None:
    text = _first(row, ("isup_grade",)).removesuffix(".0")
    if not text:
        return None
    if not text.isdecimal() or int(text) > 5:
        raise ValueError(f"isup_grade '{text}'; expected 0 to 5")
    return int(text)


def _patient(row: Mapping[str, Any]) -> str:
    text = _first(row, ("patient_id",))
    if is_foreign(text):
        raise ValueError(
            f"patient_id {text!a} has characters that workbooks cannot hold; remove them"
        )
    return text


def _um(row: Mapping[str, Any]) -> float | None:
    text = _first(row, ("mpp",)).replace(",", ".")
    if not text:
        return None
    try:
        width = float(text)
    except ValueError:
        width = math.nan
    if not 0 < width < math.inf:
        raise ValueError(f"mpp '{text}'; expected micrometres per pixel, more than 0")
    return width


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    """The first of some columns that says something, as text."""
    return next((text for column in columns if (text := fact_text(row.get(column)))), "")


def _name(row: Mapping[str, Any]) -> str:
    """The name of a row's slide; it may be NA, where no column has another."""
    texts = [cell_text(row.get(column)) for column in NAMES]
    return _first(row, NAMES) or next((text for text in texts if text), "")
