"""Parquet files: how much a table takes once it is read, told from the file before it is."""

from __future__ import annotations

import io
from typing import Any

MAX_ROWS = 2**24
MAX_CELLS = 2**26
"""Rows by columns; of the tables of a run, those of pixel counts have most, some millions."""
MAX_UNPACKED = 2**29
"""Bytes of all pages, as the file says."""
LARGE_TEXT = 2**26
"""Bytes of a column of text above which texts that repeat are held once: a manifest has the names
of all training slides in each row."""
_TEXTS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_BY_PREFIX = "DELTA_BYTE_ARRAY"
"""Text without what it has in common with the text before it: nothing says how long it is."""


def check_size(data: bytes) -> None:
    """Refuse a table that would fill the memory: repeated values take next to nothing in a file.

    Raises:
        ValueError: if it has too many rows, cells or bytes, or lists of text.
        Exception: of any kind, if it is damaged.
    """
    facts, pieces = _read_facts(data)
    cells = max(facts.num_rows * facts.num_columns, sum(piece.num_values for piece in pieces))
    unpacked = sum(piece.total_uncompressed_size for piece in pieces)
    found = ((facts.num_rows, MAX_ROWS, "rows"), (cells, MAX_CELLS, "cells"))
    for number, most, what in (*found, (unpacked, MAX_UNPACKED, "bytes")):
        if number > most:
            raise ValueError(f"{len(data):,} bytes of {number:,} {what}; expected at most {most:,}")
    if any(_BY_PREFIX in piece.encodings for piece in pieces):
        raise ValueError(f"its text is packed as {_BY_PREFIX}; expected what pyarrow writes")
    columns = (facts.schema.column(number) for number in range(facts.num_columns))
    if nested := [one.path for one in columns if one.path != one.name]:
        raise ValueError(f"'{nested[0]}' is a list or record; expected a value a cell")


def list_repeated(data: bytes) -> list[str]:
    """Columns of text that would be large if each value stood for itself.

    Raises:
        ValueError: if one of them is the index of a pandas table.
        Exception: of any kind, if the file is damaged.
    """
    facts, pieces = _read_facts(data)
    names = dict.fromkeys(one.path_in_schema for one in pieces if one.physical_type in _TEXTS)
    large = [name for name in names if _count_text(data, name) > LARGE_TEXT]
    pandas = facts.schema.to_arrow_schema().pandas_metadata or {}
    if index := [name for name in large if name in pandas.get("index_columns", ())]:
        raise ValueError(
            f"'{index[0]}' is an index with over {LARGE_TEXT:,} bytes of text; expected a column, "
            "as reset_index makes it"
        )
    return large


def _read_facts(data: bytes) -> tuple[Any, list[Any]]:
    """What a file says of itself, and of each part of a column."""
    import pyarrow.parquet as pq

    facts = pq.read_metadata(io.BytesIO(data))
    groups = [facts.row_group(number) for number in range(facts.num_row_groups)]
    return facts, [group.column(number) for group in groups for number in range(group.num_columns)]


def _count_text(data: bytes, name: str) -> int:
    """Bytes of a column of text once each value stands for itself."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    # values that repeat stay numbers
    file = pq.ParquetFile(io.BytesIO(data), read_dictionary=[name])
    total, parts = 0, file.read([name], use_threads=False).column(0).chunks
    for part in parts:
        if not isinstance(part, pa.DictionaryArray):
            total += part.nbytes
            continue
        lengths: Any = pc.binary_length(part.dictionary)
        found = pc.value_counts(part.indices.drop_null())
        indices, number = found.field("values"), found.field("counts")
        total += pc.sum(pc.multiply(lengths.take(indices).cast("int64"), number)).as_py() or 0
    return total
