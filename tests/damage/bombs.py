"""Small files that claim, or unpack to, far more than they are."""

import io
import json
import os
import random
import struct
import zipfile
import zlib
from pathlib import Path

from openpyxl import Workbook

GIB = 2**30


def sparse(path: Path, size: int, head: bytes = b"") -> Path:
    """A file of so many bytes, of which only the first take room."""
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def sparse_weights(path: Path, gib: float) -> Path:
    """A sound safetensors file of one tensor of zeros, as large as that."""
    size = int(gib * GIB)
    entry = {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}
    header = json.dumps({"encoder.conv_in.weight": entry}).encode()
    return sparse(path, 8 + len(header) + size, struct.pack("<Q", len(header)) + header)


def packed_zeros(gib: int) -> bytes:
    """So many gibibytes of zeros in a few megabytes, without a header."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (gib * GIB // 2**24) + packer.flush()


def checkpoint_of_zeros(path: Path, gib: int) -> Path:
    """A zip as torch writes checkpoints, whose data.pkl unpacks to so much."""
    packed, size = packed_zeros(gib), gib * GIB
    names = (b"archive/data.pkl", b"archive/version")
    parts = ((packed, size, 0, 8), (b"3\n", 2, zlib.crc32(b"3\n"), 0))
    body, directory = b"", b""
    for name, (data, unpacked, check, method) in zip(names, parts, strict=True):
        facts = struct.pack("<HHHHIIIHH", 0, method, 0, 0, check, len(data), unpacked, len(name), 0)
        directory += b"PK\1\2" + struct.pack("<HH", 20, 20) + facts
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + struct.pack("<H", 20) + facts + name + data
    end = struct.pack("<HHHHIIH", 0, 0, 2, 2, len(directory), len(body), 0)
    path.write_bytes(body + directory + b"PK\5\6" + end)
    return path


def far_cells(path: Path, column: str, rows: int, value: str) -> Path:
    """A workbook with a cell in a column far to the right of each row."""
    book = Workbook()
    book.active.append(["image_id", "gleason_score"])
    draft = io.BytesIO()
    book.save(draft)
    cell = f'<c r="{column}%d" t="n"><v>1</v></c>' if value else f'<c r="{column}%d"/>'
    lines = "".join(f'<row r="{n}">{cell % n}</row>' for n in range(2, rows + 2)).encode()
    with zipfile.ZipFile(draft) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    return pack_book(path, parts, "xl/worksheets/sheet1.xml", b"</sheetData>", lines)


def pack_book(path: Path, parts: dict[str, bytes], name: str, end: bytes, more: bytes) -> Path:
    """A workbook of these parts, with more before the end of something in one of them."""
    assert end in parts[name]
    changed = parts | {name: parts[name].replace(end, more + end, 1)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for place, data in changed.items():
            out.writestr(place, data)
    return path


def many_styles(path: Path, number: int) -> Path:
    """A workbook of so many styles, with noise beside them that makes it a plausible size."""
    book = Workbook()
    book.active.append(["image_id", "gleason_score"])
    draft = io.BytesIO()
    book.save(draft)
    with zipfile.ZipFile(draft) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    parts["noise.bin"] = random.Random(0).randbytes(number // 30)
    return pack_book(path, parts, "xl/styles.xml", b"</cellXfs>", b"<xf/>" * number)


def wide_table(path: Path, columns: int) -> Path:
    path.write_text(",".join(f"column {n}" for n in range(columns)) + "\n")
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def endless(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path
