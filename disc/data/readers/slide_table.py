"""Tables of slides that come with a folder of images: who, which score, which part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disc.data.tables.tables import read_table
from disc.data.tiles.records import OfficialSplit
from disc.files import BadInput
from disc.labels import check_score, parse_score

NAMES = ("slide_id", "slide_name", "image_id", "image_name")
_PRIMARY = ("Gleason_primary", "primary")
_SECONDARY = ("Gleason_secondary", "secondary")
_SPLIT = ("split", "Partition")
_OTHERS = (*_PRIMARY, *_SECONDARY, *_SPLIT, "gleason_score", "patient_id", "data_provider")
_PARTS: Mapping[str, OfficialSplit] = {"train": "train", "training": "train", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a table says of a slide, or of a tile."""

    score: tuple[int, int] | None
    patient: str
    provider: str
    split: OfficialSplit


def read_slide_table(path: Path) -> dict[str, Row]:
    """Rows by slide, from a CSV or an .xlsx.

    The slide is in a column slide_id, slide_name, image_id or image_name. The others may be there:
    patient_id; gleason_score, or (Gleason_)primary and (Gleason_)secondary; split or partition;
    data_provider.

    Raises:
        FileNotFoundError: if there is no such table.
        BadInput: if it has no column of names, or a score is not one.
    """
    found = read_table(path, [], [*NAMES, *_OTHERS])
    if not found or not any(name in found[0] for name in NAMES):
        raise BadInput(f"{path}: no rows with one of the columns {', '.join(NAMES)}")
    rows: dict[str, Row] = {}
    for cells in found:
        name, row = _first(cells, NAMES).removesuffix(".jpg"), _row(path, cells)
        if rows.setdefault(name, row) != row:
            raise BadInput(f"{path}: {name} is listed twice with different facts; keep one row")
    return rows


def _row(path: Path, row: Mapping[str, Any]) -> Row:
    try:
        score = _score(row)
    except ValueError as error:
        raise BadInput(f"{path}: {_first(row, NAMES)}: {error}") from error
    return Row(
        score=score,
        patient=_first(row, ("patient_id",)),
        provider=_first(row, ("data_provider",)),
        split=_PARTS.get(_first(row, _SPLIT).lower(), ""),
    )


def _score(row: Mapping[str, Any]) -> tuple[int, int] | None:
    if text := _first(row, ("gleason_score",)):
        return parse_score(text)
    primary, secondary = _first(row, _PRIMARY), _first(row, _SECONDARY)
    if not primary and not secondary:
        return None
    if not (primary.isdecimal() and secondary.isdecimal()):
        raise ValueError(f"grades '{primary}' and '{secondary}'; expected 0, 3, 4 or 5")
    return check_score(int(primary), int(secondary))


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    """The first of some columns that is there, as text."""
    values = (row[column] for column in columns if row.get(column) is not None)
    return str(next(values, "")).strip().removesuffix(".0")
