"""Workbooks of others, opened with care: small enough, whole, and nothing but a table."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from disc.files import MAX_TEXT, BadInput, read_bytes

MAX_BYTES = 2**26
"""Unpacked; SICAPv2's largest workbook has a few million."""
MAX_RATIO = 200
"""Unpacked to packed, of files above a megabyte; tables pack 5 to 50 times."""
MAX_ROWS = 2**20
MAX_COLUMNS = 1024
MAX_CELLS = 2**23
"""Of a table, those included that are only passed over."""
MAX_SIGNS = 2**20
"""Tags and attributes that are held at once: of a row, a shared text, or a part that has neither,
as styles. A row of all 16,384 columns has a tenth of it; each takes some 300 bytes."""
_PIECES = re.compile(rb"<(?:\w+:)?(?:row|si)\b")


def read_sheet(path: Path) -> list[tuple[Any, ...]]:
    """Rows of the first sheet of an .xlsx workbook, header included.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it is no workbook, is damaged, or unpacks to more than a table needs.
    """
    data = read_bytes(path, MAX_TEXT)
    try:
        _refuse_bomb(data)
        with warnings.catch_warnings():
            # openpyxl's remarks on styles and extensions, which say nothing about the table.
            warnings.simplefilter("ignore", UserWarning)
            return _list_rows(data)
    # A damaged workbook makes openpyxl raise anything: its attributes become arguments.
    except Exception as error:
        raise BadInput(f"{path}: not a readable .xlsx workbook ({error}); replace it") from error


def _refuse_bomb(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if size > MAX_BYTES or (size > 2**20 and size > MAX_RATIO * len(data)):
            raise ValueError(f"its {len(data):,} bytes unpack to {size:,}")
        for entry in entries:
            found = _count_signs(archive.read(entry))
            if found > MAX_SIGNS:
                raise ValueError(
                    f"{found:,} tags and attributes in a piece of {entry.filename[:80]}; expected "
                    f"at most {MAX_SIGNS:,}"
                )


def _count_signs(part: bytes) -> int:
    """Tags and attributes of the largest piece of a part that openpyxl holds at once."""
    total = part.count(b"<") + part.count(b"=")
    if total <= MAX_SIGNS:
        return total
    starts = [0, *(found.start() for found in _PIECES.finditer(part)), len(part)]
    return max(
        part.count(b"<", start, end) + part.count(b"=", start, end)
        for start, end in pairwise(starts)
    )


def _list_rows(data: bytes) -> list[tuple[Any, ...]]:
    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    sheet, rows = book.worksheets[0], []
    # Rows outside of the dimensions that a file claims would be left out.
    sheet.reset_dimensions()
    # A row may claim any number, and openpyxl gives empty ones up to it.
    num_cells = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True)):
        num_cells += len(row)
        if number >= MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS:,} rows")
        if any(cell is not None for cell in row):
            rows.append(_without_end(row))
            check_columns(len(rows[-1]))
        if num_cells > MAX_CELLS:
            raise ValueError(f"it spans more than {MAX_CELLS:,} cells")
    return rows


def check_columns(number: int) -> None:
    """Refuse tables that are too wide to be one of slides or tiles.

    Raises:
        ValueError: if one is.
    """
    if number > MAX_COLUMNS:
        raise ValueError(f"{number:,} columns; expected at most {MAX_COLUMNS:,}")


def _without_end(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without the empty cells at its end, of which there may be 16,384."""
    last = max(place for place, cell in enumerate(row) if cell is not None)
    return row[: last + 1]
