"""PANDA: its table of scores, and its mask files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from disc.files import BadInput, read_bytes
from disc.labels import parse_score

_SUFFIXES = (".tiff", ".tif", ".png")


@dataclass(frozen=True)
class Case:
    """What the table says of a slide."""

    score: tuple[int, int] | None = None
    patient: str | None = None
    provider: str | None = None
    isup: str = ""


def read_cases(path: Path) -> dict[str, Case]:
    """Cases by image id, from a CSV like PANDA's `train.csv`.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it is not a table, a column is missing, or a score is not one.
    """
    cases: dict[str, Case] = {}
    for row in _read_rows(path):
        if row["image_id"] in cases:
            raise BadInput(f"{path}: {row['image_id']} is listed twice; keep one row")
        cases[row["image_id"]] = _case(path, row)
    return cases


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        text = io.StringIO(read_bytes(path).decode("utf-8-sig"), newline="")
        header, *rows = [row for row in csv.reader(text, strict=True) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: not readable as CSV ({error}); replace it") from error
    if missing := {"image_id", "gleason_score"} - set(header):
        raise BadInput(
            f"{path}: no column {', '.join(sorted(missing))}; found {', '.join(header)}; "
            "expected image_id, gleason_score, and if known data_provider, patient_id"
        )
    for row in rows:
        if len(row) != len(header):
            raise BadInput(
                f"{path}: row '{','.join(row)}' has {len(row)} cells; expected {len(header)}, as "
                "its header; is the file whole?"
            )
    return [dict(zip(header, row, strict=True)) for row in rows]


def _case(path: Path, row: Mapping[str, str]) -> Case:
    try:
        score = parse_score(row["gleason_score"]) if row["gleason_score"].strip() else None
    except ValueError as error:
        raise BadInput(f"{path}: {row['image_id']}: {error}") from error
    patient, provider = row.get("patient_id") or None, row.get("data_provider") or None
    return Case(score, patient, provider, row.get("isup_grade", "").strip())


def find_mask(masks: Path | None, slide: Path) -> Path | None:
    """The mask file of a slide: `masks` itself, or in it `<slide>_mask` or `<slide>`."""
    if masks is None or masks.is_file():
        return masks
    names = [f"{slide.stem}{end}{suffix}" for end in ("_mask", "") for suffix in _SUFFIXES]
    found = (masks / name for name in names)
    return next((path for path in found if path.is_file() and path != slide), None)
