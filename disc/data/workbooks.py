"""Tables in Excel workbooks: read with the columns checked, written with the same bytes always."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.writer.excel import ExcelWriter

from disc.data.sheets import read_sheet
from disc.files import BadInput, reason

_DAY_ONE = (1980, 1, 1, 0, 0, 0)


def find_table(path: Path) -> Path:
    """A workbook, or the CSV of the same name that some copies of a set have instead."""
    as_csv = path.with_suffix(".csv")
    return as_csv if as_csv.is_file() and not path.exists() else path


def read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Rows of the first sheet; only the named columns, whose headers match but for case and spaces.

    Args:
        path: an .xlsx workbook or a .csv.
        columns: which must be there.
        optional: which may be there.

    Raises:
        FileNotFoundError: if there is no such workbook.
        BadInput: if it is not a workbook, or lacks a column.
    """
    header, *rows = _read_rows(path) or [()]
    found = [str(cell).strip() for cell in header if cell is not None]
    places = {_simple(cell): place for place, cell in enumerate(header)}
    missing = [column for column in columns if _simple(column) not in places]
    if missing:
        raise BadInput(
            f"{path}: no column {', '.join(missing)}; found {', '.join(found) or 'no header'}; "
            f"expected {', '.join(columns)}"
        )
    present = [*columns, *(column for column in optional if _simple(column) in places)]
    wanted = {column: places[_simple(column)] for column in present}
    # Workbooks leave out empty cells at the end of a row.
    return [
        {column: row[place] if place < len(row) else None for column, place in wanted.items()}
        for row in rows
        if any(cell is not None for cell in row)
    ]


def _simple(header: object) -> str:
    return "".join(str(header).lower().split())


def _read_rows(path: Path) -> list[tuple[Any, ...]]:
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such workbook or table; correct the path, or restore it"
        )
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    return read_sheet(path)


def _read_csv(path: Path) -> list[tuple[Any, ...]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: not readable as CSV ({reason(error)}); replace it") from error
    return [tuple(cell if cell else None for cell in row) for row in rows if row]


def encode_table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    """A workbook of one sheet with a header row. The same table gives the same bytes."""
    book = Workbook(write_only=True)
    # openpyxl writes the time of day into the properties; a fixed day keeps bytes the same.
    book.properties.created = book.properties.modified = datetime(*_DAY_ONE[:3])
    sheet = book.create_sheet("Sheet1")
    sheet.append(list(columns))
    for row in rows:
        sheet.append([row[column] for column in columns])
    draft = io.BytesIO()
    with zipfile.ZipFile(draft, "w") as archive:
        ExcelWriter(book, archive).write_data()
    return _without_times(draft)


def _without_times(draft: io.BytesIO) -> bytes:
    final = io.BytesIO()
    with zipfile.ZipFile(draft) as source, zipfile.ZipFile(final, "w") as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, _DAY_ONE)
            target.writestr(entry, source.read(name), zipfile.ZIP_DEFLATED)
    return final.getvalue()
