"""Workbooks of others, written with openpyxl."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook, load_workbook

from disc.data.tables import xlsx as sheets
from disc.data.tables.tables import encode_table, read_table
from disc.data.tables.xlsx import read_sheet
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


@pytest.mark.parametrize("rest", [("p", "q"), (None, 7)])
def test_a_row_longer_than_the_header_is_refused(tmp_path: Path, rest: tuple[object, ...]) -> None:
    workbook, path = Workbook(), tmp_path / "book.xlsx"
    for row in (("slide_id", "score", "patient_id"), ("b", "3+3"), ("c", None, "p", " ")):
        workbook.active.append(row)
    workbook.save(path)
    assert [row["slide_id"] for row in read_table(path, ["slide_id"])] == ["b", "c"]
    workbook.active.append(("a", "3+3", *rest))
    workbook.save(path)
    with pytest.raises(BadInput, match=r"book\.xlsx: row 'a,3\+3,.*' has 4 cells; expected 3"):
        read_table(path, ["slide_id"])


@pytest.mark.parametrize(("limit", "message"), [("MAX_BYTES", "unpack to"), ("MAX_ROWS", "rows")])
def test_limits(book: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str) -> None:
    monkeypatch.setattr(sheets, limit, 3)
    with pytest.raises(BadInput, match=rf"book\.xlsx: not a readable .*{message}"):
        read_sheet(book)


def test_rows_are_written_as_openpyxl_writes_them() -> None:
    rows = [
        {"name": " a & <b>", "count": 3, "note": None},
        {"name": 'c "d"\ne', "count": -5, "note": "\t"},
        {"name": None, "count": 10**6, "note": "f "},
    ]
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    for row in [{key: key for key in rows[0]}, *rows]:
        sheet.append(list(row.values()))
    file = io.BytesIO()
    book.save(file)
    ours = zipfile.ZipFile(io.BytesIO(encode_table(list(rows[0]), rows)))
    name = "xl/worksheets/sheet1.xml"
    assert ours.read(name) == zipfile.ZipFile(file).read(name)


def test_a_text_is_no_formula() -> None:
    data = encode_table(["patient"], [{"patient": "=1+1"}, {"patient": "#N/A"}])
    sheet = load_workbook(io.BytesIO(data)).active
    assert [cell.value for cell in sheet["A"]] == ["patient", "=1+1", "#N/A"]
    assert {cell.data_type for cell in sheet["A"]} <= {"s", "inlineStr"}
    with pytest.raises(ValueError, match="characters that a workbook cannot"):
        encode_table(["patient"], [{"patient": "a\0b"}])


def add(path: Path, part: str, old: bytes, new: bytes) -> None:
    """Put something into a part, and beside it what packs badly, so that the ratio is no sign."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new + old, 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
        if "pad.bin" not in parts:
            archive.writestr("pad.bin", np.random.default_rng(0).bytes(2**16))


SHEET = "xl/worksheets/sheet1.xml"
LARGE = {
    "styles": ("xl/styles.xml", b"</cellXfs>", b"<xf/>" * 2**20),
    "names": ("xl/workbook.xml", b"</workbook>", b'<a b=""/>' * 2**19),
    "a row": (SHEET, b"</sheetData>", b"<row>" + b"<c/>" * 2**20 + b"</row>"),
    "a cell": (SHEET, b"</sheetData>", b"<row><c>" + b"<a/>" * 2**20 + b"</c></row>"),
    "before the rows": (SHEET, b"<sheetData>", b"<a/>" * 2**20),
    "attributes": ("xl/styles.xml", b"/>", b" " + b"".join(b'a%x=""' % n for n in range(2**20))),
}


@pytest.mark.parametrize("where", LARGE)
def test_parts_that_would_fill_the_memory_are_refused_before_they_are_opened(
    book: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    part, old, new = LARGE[where]
    add(book, part, old, new)
    monkeypatch.setattr(sheets, "load_workbook", lambda *_, **__: pytest.fail("it is opened"))
    said = rf"1,0\d\d,\d\d\d tags and attributes in a piece of {part}; expected at most 1,048,576"
    with pytest.raises(BadInput, match=said):
        read_sheet(book)


def test_many_styles_and_rows_are_no_bomb(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_SIGNS", 2**14)
    add(book, "xl/styles.xml", b"</cellXfs>", b'<xf numFmtId="0" fontId="0"/>' * 3000)
    add(book, SHEET, b"</sheetData>", b'<row><c t="n"><v>7</v></c></row>' * 2**13)
    assert len(read_sheet(book)) == 2**13 + 3
