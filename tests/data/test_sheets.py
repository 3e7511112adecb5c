"""Workbooks of others, written with openpyxl."""

import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from disc.data import sheets
from disc.data.sheets import read_sheet
from disc.files import BadInput

ROWS = [("a", "b"), (1, None), (None, None), (2, "x")]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    workbook = Workbook()
    for row in ROWS:
        workbook.active.append(row)
    workbook.save(tmp_path / "book.xlsx")
    return tmp_path / "book.xlsx"


def test_rows_without_what_is_empty(book: Path) -> None:
    assert read_sheet(book) == [("a", "b"), (1,), (2, "x")]


def test_rows_beyond_the_claimed_dimensions(book: Path) -> None:
    """Some programs write a wrong `dimension`; openpyxl then leaves rows out."""
    with zipfile.ZipFile(book) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    assert b'<dimension ref="A1:B4"' in sheet
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b'ref="A1:B4"', b'ref="A1:A2"')
    with zipfile.ZipFile(book, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    assert read_sheet(book) == [("a", "b"), (1,), (2, "x")]


@pytest.mark.parametrize(("limit", "message"), [("MOST_BYTES", "unpack to"), ("MOST_ROWS", "rows")])
def test_limits(book: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str) -> None:
    monkeypatch.setattr(sheets, limit, 3)
    with pytest.raises(BadInput, match=rf"book\.xlsx: not a readable .*{message}"):
        read_sheet(book)
