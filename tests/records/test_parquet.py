"""Tables that are small in a file and large in memory: refused, or held once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from disc.files import BadInput
from disc.records import parquet
from disc.records.typed import read_table
from tests.damage.campaign import read_peak, start_peak


def repeat(text: str, number: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(number, np.int8)), pa.array([text]))


def write(path: Path, columns: dict, **kept: object) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd", **kept)
    return path


NUMBERS = np.arange(2000)
LISTS = pa.ListArray.from_arrays(pa.array([0, 1]), pa.array(["a"]))
REFUSED = {
    "rows": ({"tile": pa.nulls(2**24 + 1, pa.int8())}, {}, "16,777,217 rows; expected at most"),
    "cells": ({str(n): NUMBERS for n in range(9)}, {}, "18,000 cells; expected at most 15,000"),
    "pages": ({"tile": NUMBERS}, {"use_dictionary": False}, r"bytes of 16,\d{3} bytes; expected"),
    "text": (
        {"tile": ["aa", "ab"]},
        {"use_dictionary": False, "column_encoding": {"tile": "DELTA_BYTE_ARRAY"}},
        "packed as DELTA_BYTE_ARRAY",
    ),
    "lists": ({"tile": LISTS}, {}, r"'tile\.list\.element' is a list or record"),
    "records": ({"tile": pa.array([{"name": "a"}])}, {}, r"'tile\.name' is a list or record"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_fill_the_memory_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    columns, kept, said = REFUSED[what]
    path = write(tmp_path / "manifest.parquet", columns, **kept)
    monkeypatch.setattr(parquet, "MAX_CELLS", 15_000 if what == "cells" else parquet.MAX_CELLS)
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 16_000 if what == "pages" else 2**29)
    monkeypatch.setattr(pd, "read_parquet", lambda *_, **__: pytest.fail("it is read"))
    with pytest.raises(BadInput, match=said) as refusal:
        read_table(path, ("tile",), "make the set again")
    assert str(refusal.value).startswith(f"{path}: damaged (")


def test_text_that_repeats_is_held_once(tmp_path: Path) -> None:
    """A manifest has the names of all training slides in each row: here in all 4 GiB of them."""
    seen = repeat(" ".join(f"slide {n}" for n in range(20_000)), 2**14)
    path = write(tmp_path / "manifest.parquet", {"tile": NUMBERS[:1].repeat(2**14), "seen": seen})
    is_counted, before = start_peak(), read_peak()
    table = read_table(path, ("tile", "seen"), "make the set again")
    assert not is_counted or read_peak() - before < 2**28
    assert set(map(id, table["seen"])) == {id(table["seen"][0])}
    assert table["seen"][0].endswith(" 19999") and len(table) == 2**14


@pytest.mark.parametrize("kept", [{}, {"row_group_size": 7}, {"use_dictionary": False}])
@pytest.mark.parametrize("large", [parquet.LARGE_TEXT, 10])
def test_tables_are_read_as_pandas_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int, kept: dict
) -> None:
    columns = {
        "tile": [f"tile {n % 5}" for n in range(20)],
        "note": [None if n % 3 else "é" * n for n in range(20)],
        "kind": pa.array([b"x"] * 20),
        "score": np.linspace(0, 1, 20),
        "none": pa.nulls(20, pa.string()),
    }
    path = write(tmp_path / "a.parquet", columns, **kept)
    monkeypatch.setattr(parquet, "LARGE_TEXT", large)
    right, found = pd.read_parquet(path), read_table(path, ("tile",), "")
    pd.testing.assert_frame_equal(found, right, check_dtype=large > 10)
    assert parquet._count_text(path.read_bytes(), "tile") >= 20 * 6


@pytest.mark.parametrize("large", [parquet.LARGE_TEXT, 10])
def test_an_index_of_text_is_read_unless_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    """Pandas said that there was no column of this name, and the file was told to be damaged."""
    monkeypatch.setattr(parquet, "LARGE_TEXT", large)
    names = pd.Index(["slide one", "slide two"], name="tile")
    pd.DataFrame({"score": [1, 2]}, index=names).to_parquet(tmp_path / "a.parquet")
    if large > 10:
        found = read_table(tmp_path / "a.parquet", ("score",), "")
        assert list(found.index) == list(names)
    else:
        said = "'tile' is an index with over 10 bytes of text; expected a column"
        with pytest.raises(BadInput, match=said):
            read_table(tmp_path / "a.parquet", ("score",), "")
