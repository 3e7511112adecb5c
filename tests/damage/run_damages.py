"""Every kind of damage to a file of a run: bytes, shapes, and what is no file at all."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy

from tests.damage.edits import Edit, void

TEXTS = {
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "an object": b"{}",
    "NaN": b"NaN",
    "a number": b"7",
    "a word": b'"word"',
    "no UTF-8": b"\xff\xfe\x00",
    "very deep": b"[" * 100_000,
    "a list of objects": b'[{"step": 1}]',
    "an object of NaN": b'{"config": NaN, "step": NaN, "scale": NaN}',
    "a header of a billion bytes": b"\x00\xca\x9a\x3b\x00\x00\x00\x00{}",
    "a pickle": b"\x80\x04cposix\nsystem\n.",
}
VALUES = (None, [], {}, "word", float("nan"), 1e999, -1, 2**60, True)
"""Put in place of a value of a JSON file."""


def damages(path: Path, seed: int, flips: int = 6) -> Iterator[tuple[str, Edit]]:
    """All damages to a file, by name; drawn ones by the seed."""
    data, rng = path.read_bytes(), np.random.default_rng([seed, len(path.name)])
    yield from ((f"is {name}", _write(text)) for name, text in TEXTS.items())
    yield from _no_files()
    for share in (0.1, 0.5, 0.9):
        yield f"first {share:.0%}", _write(data[: int(len(data) * share)])
    yield "without its last byte", _write(data[:-1])
    yield "8 bytes", _write(data[:8])
    yield "zeros", _write(bytes(len(data)))
    yield "noise", _write(rng.bytes(len(data)))
    yield "twice", _write(data + data)
    for _ in range(flips):
        place, bit = int(rng.integers(len(data))), int(rng.integers(8))
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        yield f"bit {bit} of byte {place}", _write(bytes(flipped))
    yield from _other_shapes(path, data)


def _write(data: bytes) -> Edit:
    return lambda path: void(path.write_bytes(data))


def _no_files() -> Iterator[tuple[str, Edit]]:
    def put(make: Any) -> Edit:
        def edit(path: Path) -> None:
            path.unlink()
            make(path)

        return edit

    yield "missing", put(lambda path: None)
    yield "a folder", put(Path.mkdir)
    yield "a pipe", put(os.mkfifo)
    yield "a link to itself", put(lambda path: path.symlink_to(path.name))
    yield "a link to nothing", put(lambda path: path.symlink_to("nothing"))
    yield "a link to endless zeros", put(lambda path: path.symlink_to("/dev/zero"))


def _other_shapes(path: Path, data: bytes) -> Iterator[tuple[str, Edit]]:
    if path.suffix == ".json":
        yield from _other_json(json.loads(data))
    elif path.suffix == ".parquet":
        yield from _other_tables(pd.read_parquet(io.BytesIO(data)))
    elif path.suffix == ".safetensors":
        yield from _other_tensors(safetensors.numpy.load(data))
    elif path.suffix == ".h5":
        yield from _other_features(data)


def _other_json(facts: dict[str, Any]) -> Iterator[tuple[str, Edit]]:
    for key in list(facts)[:8]:
        rest = {name: value for name, value in facts.items() if name != key}
        yield f"without {key}", _write(json.dumps(rest).encode())
        for value in VALUES:
            yield f"{key} {value}", _write(json.dumps({**facts, key: value}).encode())


def _other_tables(table: pd.DataFrame) -> Iterator[tuple[str, Edit]]:
    def as_edit(other: pd.DataFrame) -> Edit:
        return lambda path: other.to_parquet(path, index=False)

    yield "no columns", as_edit(pd.DataFrame())
    yield "no rows", as_edit(table.iloc[:0])
    yield "millions of rows", _many_rows(list(table.columns))
    for column in list(table.columns)[:6]:
        yield f"without {column}", as_edit(table.drop(columns=column))


def _many_rows(columns: list[str]) -> Edit:
    """A table that takes a megabyte, and gigabytes once it is read."""

    def edit(path: Path) -> None:
        column = pa.DictionaryArray.from_arrays(np.zeros(60_000_000, np.int8), pa.array(["a" * 80]))
        pq.write_table(pa.table(dict.fromkeys(columns, column)), path, compression="zstd")

    return edit


def _other_features(data: bytes) -> Iterator[tuple[str, Edit]]:
    def as_edit(name: str, *shape: int, **kept: Any) -> Edit:
        def edit(path: Path) -> None:
            path.write_bytes(data)
            with h5py.File(path, "a") as file:
                del file[name]
                file.create_dataset(name, shape, "f8" if name == "features" else "i8", **kept)

        return edit

    yield "features never filled", as_edit("features", 2**28 // 72, 72, chunks=(1000, 72))
    yield "places never filled", as_edit("coords", 400_000_000, 2, chunks=(1000, 2))
    yield "few places never filled", as_edit("coords", 3, 2)
    yield "features of elsewhere", as_edit("features", 3, 72, external=[("/dev/zero", 0, 1728)])
    yield "places of elsewhere", as_edit("coords", 3, 2, external=[("/etc/hostname", 0, 48)])


def _other_tensors(tensors: dict[str, Any]) -> Iterator[tuple[str, Edit]]:
    def as_edit(other: dict[str, Any]) -> Edit:
        return _write(safetensors.numpy.save(other, {"format": "pt"}))

    names = sorted(tensors)
    yield "no tensors", as_edit({})
    for name in (names[0], names[len(names) // 2], names[-1]):
        value = np.asarray(tensors[name])
        yield f"without {name}", as_edit({k: v for k, v in tensors.items() if k != name})
        yield f"{name} flat", as_edit({**tensors, name: np.zeros(3, value.dtype)})
        yield f"{name} of whole numbers", as_edit({**tensors, name: value.astype(np.int64)})
        if value.dtype.kind == "f":
            yield f"{name} NaN", as_edit({**tensors, name: np.full_like(value, np.nan)})
            yield f"{name} infinite", as_edit({**tensors, name: np.full_like(value, np.inf)})
