"""Tables in Excel workbooks: read with the columns checked, written with the same bytes always."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils import get_column_letter
from openpyxl.writer.excel import ExcelWriter

from disc.data.tables.matching import clean, list_some
from disc.data.tables.xlsx import MAX_CELLS, check_columns, read_sheet
from disc.files import MAX_TEXT, BadInput, read_bytes, reason

_DIVIDERS = (",", ";", "\t")
_SHOWN = 5
"""Columns that an error lists."""
_TEXTS = {".csv", ".tsv", ".txt"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_WHOLE = re.compile(r"\s*\d+\.0\s*")
_NOTHING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none"})
"""What R, pandas, Excel and databases write where there is nothing, in any case."""
_DAY_ONE = (1980, 1, 1, 0, 0, 0)
_SHEET, _NO_ROWS = "xl/worksheets/sheet1.xml", b"<sheetData></sheetData>"


def find_table(path: Path) -> Path:
    """A workbook, or the CSV of the same name that some copies of a set have instead."""
    as_csv = path.with_suffix(".csv")
    return as_csv if as_csv.is_file() and not path.exists() else path


def read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Rows of the first sheet; only the named columns, whose headers match but for case and spaces.

    Args:
        path: an .xlsx workbook, or text: a .csv, .tsv or .txt.
        columns: which must be there.
        optional: which may be there.

    Raises:
        FileNotFoundError: if there is no such workbook.
        BadInput: if it is no table, lacks a column or has it twice, or a row is longer than the
            header.
    """
    header, *rows = _read_rows(path) or [()]
    found = [str(cell).strip() for cell in header if cell is not None]
    places = {_simple(cell): place for place, cell in enumerate(header)}
    missing = [column for column in columns if _simple(column) not in places]
    if missing:
        raise BadInput(
            f"{path}: no column {', '.join(missing)}; found {_name_some(found) or 'no header'}; "
            f"expected {', '.join(columns)}"
        )
    _refuse_long(path, header, rows)
    present = [*columns, *(column for column in optional if _simple(column) in places)]
    _refuse_twice(path, header, present)
    wanted = {column: places[_simple(column)] for column in present}
    # Workbooks leave out empty cells at the end of a row.
    return [
        {column: row[place] if place < len(row) else None for column, place in wanted.items()}
        for row in rows
        if any(cell is not None for cell in row)
    ]


def _refuse_long(path: Path, header: Sequence[Any], rows: Sequence[Sequence[Any]]) -> None:
    # Text is stricter; workbooks leave out empty cells at the end of a row, and may keep blanks.
    for row in rows:
        if any(cell_text(cell) for cell in row[len(header) :]):
            cells = [cell_text(cell) for cell in row]
            what = "if the table is whole, give every column a header, or remove those without"
            raise _odd_length(path, cells, len(header), what)


def _refuse_twice(path: Path, header: Sequence[Any], columns: Sequence[str]) -> None:
    for column in columns:
        same = [place for place, cell in enumerate(header) if _simple(cell) == _simple(column)]
        if len(same) > 1:
            where = " and ".join(
                f"{place + 1} ('{str(header[place]).strip()[:40]}')" for place in same[:_SHOWN]
            )
            raise BadInput(
                f"{path}: {len(same)} columns are called {column}: columns {where}; expected one; "
                "remove or rename the others"
            )


def _odd_length(
    path: Path, row: Sequence[str], expected: int, what: str = "is the file whole?"
) -> BadInput:
    return BadInput(
        f"{path}: row '{','.join(row)[:80]}' has {len(row)} cells; expected {expected}, as its "
        f"header; {what}"
    )


def _name_some(columns: Sequence[str]) -> str:
    return list_some([column[:40] for column in columns])


def _simple(header: object) -> str:
    return "".join(str(header).lower().split())


def _read_rows(path: Path) -> list[tuple[Any, ...]]:
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such workbook or table; correct the path, or restore it"
        )
    if path.suffix.lower() in _TEXTS:
        return _read_text(path)
    return read_sheet(path)


def _read_text(path: Path) -> list[tuple[Any, ...]]:
    data = read_bytes(path, MAX_TEXT)
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
        header, *rows = _split(text) or [[]]
    except (ValueError, csv.Error) as error:
        kind = path.suffix[1:].upper()
        raise BadInput(f"{path}: not readable as {kind} ({reason(error)}); replace it") from error
    for row in rows:
        if len(row) != len(header):
            raise _odd_length(path, row, len(header))
    columns = [_as_numbers(column) for column in zip(*rows, strict=True)]
    cells = [tuple(header), *zip(*columns, strict=True)]
    return [tuple(cell if cell else None for cell in row) for row in cells]


def _as_numbers(column: Sequence[str]) -> Sequence[str]:
    """A column without the .0 that other programs write behind every whole number of it."""
    is_whole = all(_WHOLE.fullmatch(cell) for cell in column if not is_nothing(cell))
    return [cell.strip().removesuffix(".0") for cell in column] if is_whole else column


def _split(text: str) -> list[list[str]]:
    """Rows of a table in text, divided by what divides its header into most columns."""
    first = text[: max(text.find("\n"), 0)] or text
    check_columns(1 + max(first.count(sign) for sign in _DIVIDERS))
    divider = max(_DIVIDERS, key=lambda sign: len(next(csv.reader([first], delimiter=sign), [])))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True)
    kept, num_cells = [], 0
    for row in rows:
        num_cells += len(row)
        if num_cells > MAX_CELLS:
            raise ValueError(f"more than {MAX_CELLS:,} cells")
        if any(row):
            kept.append(row)
    return kept


def cell_text(cell: object) -> str:
    """A cell as text; numbers that Excel keeps as 12.0 are '12', a text that ends so stays."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return clean(str(cell))


def fact_text(cell: object) -> str:
    """A cell as text, "" where there is nothing; not for names, for a slide may be called NA."""
    text = cell_text(cell)
    return "" if is_nothing(text) else text


def is_nothing(text: str) -> bool:
    """Whether a cell is empty, or holds what programs write where there is nothing."""
    return text.strip().lower() in _NOTHING


def encode_table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    """A workbook of one sheet with a header row. The same table gives the same bytes.

    Args:
        columns: headers.
        rows: by header a text, a whole number, or None for an empty cell.
    """
    book = Workbook(write_only=True)
    # openpyxl writes the time of day into the properties; a fixed day keeps bytes the same.
    book.properties.created = book.properties.modified = datetime(*_DAY_ONE[:3])
    book.create_sheet("Sheet1")
    draft = io.BytesIO()
    with zipfile.ZipFile(draft, "w") as archive:
        ExcelWriter(book, archive).write_data()
    return _fill(draft, _encode_rows(columns, rows))


def _encode_rows(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """The rows as openpyxl writes them, which takes many times as long.

    A text stays a text, though: openpyxl makes a formula of one that starts with "=".
    """
    letters = [get_column_letter(place) for place in range(1, len(columns) + 1)]
    lines = [dict(zip(columns, columns, strict=True)), *rows]
    return "".join(
        f'<row r="{number}">'
        + "".join(
            _encode_cell(f"{letter}{number}", row[column])
            for letter, column in zip(letters, columns, strict=True)
            if row[column] is not None
        )
        + "</row>"
        for number, row in enumerate(lines, start=1)
    )


def _encode_cell(place: str, value: object) -> str:
    if isinstance(value, int):
        return f'<c r="{place}" t="n"><v>{int(value)}</v></c>'
    text = str(value)
    if ILLEGAL_CHARACTERS_RE.search(text):
        raise ValueError(f"{text!r} holds characters that a workbook cannot")
    keep = ' xml:space="preserve"' if text.strip() not in {"", text} else ""
    return f'<c r="{place}" t="inlineStr"><is><t{keep}>{escape(text)}</t></is></c>'


def _fill(draft: io.BytesIO, rows: str) -> bytes:
    """The workbook with rows in its empty sheet, and without the time of day."""
    final = io.BytesIO()
    with zipfile.ZipFile(draft) as source, zipfile.ZipFile(final, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == _SHEET:
                data = data.replace(_NO_ROWS, b"<sheetData>" + rows.encode() + b"</sheetData>")
            target.writestr(zipfile.ZipInfo(name, _DAY_ONE), data, zipfile.ZIP_DEFLATED)
    return final.getvalue()
