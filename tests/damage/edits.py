"""What can happen to a file, one function each: it takes the path and leaves the damage there."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from openpyxl import Workbook
from PIL import Image

from tests.damage import bombs
from tests.damage.corrupt import join_chunks

Edit = Callable[[Path], None]
SIDE = 64


def cut(fraction: float) -> Edit:
    """Keep the first part."""
    return lambda path: keep(path, int(path.stat().st_size * fraction))


def cut_end(number: int) -> Edit:
    return lambda path: keep(path, path.stat().st_size - number)


def keep(path: Path, number: int) -> None:
    path.write_bytes(path.read_bytes()[:number])


def flip(fraction: float) -> Edit:
    """Flip one bit of so many of the bytes, drawn with a fixed seed."""

    def edit(path: Path) -> None:
        rng, data = np.random.default_rng(0), bytearray(path.read_bytes())
        for place in rng.choice(len(data), max(1, int(fraction * len(data))), replace=False):
            data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)

    return edit


def flip_at(place: int) -> Edit:
    """Flip the lowest bit of one byte; from the end where `place` < 0."""

    def edit(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)

    return edit


def write(data: bytes) -> Edit:
    return lambda path: void(path.write_bytes(data))


def picture(kind: str, size: tuple[int, int] = (SIDE, SIDE), form: str = "PNG") -> Edit:
    """An image of another kind of pixels, or of another size."""

    def edit(path: Path) -> None:
        buffer = io.BytesIO()
        Image.new(kind, size).save(buffer, form)
        path.write_bytes(buffer.getvalue())

    return edit


def png(depth: int, colour: int, *, side: int = SIDE, packed: bytes | None = None) -> Edit:
    """A PNG made by hand, all zeros unless `packed` is given."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = bytes((side * channels * depth // 8 + 1) * side) if packed is None else b""
    body = zlib.compress(rows) if packed is None else packed
    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    return write(join_chunks([(b"IHDR", head), (b"IDAT", body), (b"IEND", b"")]))


def png_bomb(path: Path) -> None:
    """A tile's header, and pixels that unpack to two gigabytes."""
    png(8, 2, packed=pack_zeros(2**11))(path)


def pack_zeros(number: int) -> bytes:
    """So many mebibytes of zeros as zlib packs them: one packed, then repeated."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (number * 2**20 % 65521) << 16 | 1
    return b"\x78\xda" + block * number + packer.flush() + struct.pack(">I", checksum)


def text_bomb(path: Path) -> None:
    """A sound PNG with a comment that unpacks to a gigabyte."""
    body = b"Comment\0\0" + pack_zeros(2**10)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + data[33:])


def jpeg_header(side: int) -> Edit:
    """The header of a JPEG claims to be that large."""

    def edit(path: Path) -> None:
        data = bytearray(path.read_bytes())
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", side, side)
        path.write_bytes(data)

    return edit


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def forbid(path: Path) -> None:
    path.chmod(0)


def link_out(path: Path) -> None:
    """The file lies elsewhere, and a link is left."""
    outside = path.parents[1].parent / f"elsewhere-{path.name}"
    path.rename(outside)
    path.symlink_to(outside)


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


def twin(path: Path) -> None:
    """Another file of the same stem."""
    other = ".png" if path.suffix == ".jpg" else ".jpg"
    path.with_suffix(other).write_bytes(path.read_bytes())


def rename(name: str) -> Edit:
    return lambda path: void(path.rename(path.with_name(name)))


def book(*rows: list[Any]) -> Edit:
    """A workbook of these rows."""

    def edit(path: Path) -> None:
        workbook = Workbook()
        for row in rows:
            workbook.active.append(row)
        workbook.save(path)

    return edit


def cell(column: str, value: object) -> Edit:
    """Change a cell of the first row of a workbook."""

    def edit(path: Path) -> None:
        table = pd.read_excel(path).astype(object)
        table.loc[0, column] = value
        table.to_excel(path, index=False)

    return edit


def sheet(old: str, new: str) -> Edit:
    """Replace text in the XML of a workbook's first sheet; the rest stays as it is."""

    def edit(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        place = "xl/worksheets/sheet1.xml"
        text = parts[place].decode()
        assert old in text
        parts[place] = text.replace(old, new, 1).encode()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in parts.items():
                archive.writestr(name, data)

    return edit


def zip_bomb(path: Path) -> None:
    """A sheet of 128 MiB of spaces."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            with archive.open(name, "w", force_zip64=True) as part:
                part.write(data)
                for _ in range(2**7 if name.endswith("sheet1.xml") else 0):
                    part.write(b" " * 2**20)


def many_styles(path: Path) -> None:
    """A workbook whose styles would take gigabytes."""
    bombs.many_styles(path, 12_000_000)


def laughs(path: Path) -> None:
    """Entities that stand for entities, a billion in the end."""
    names = "abcdefghij"
    rules = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in pairwise(names)
    )
    sheet("<worksheet", f"<!DOCTYPE worksheet [{rules}]><worksheet")(path)
    sheet("</sheetData>", '<row><c t="inlineStr"><is><t>&j;</t></is></c></row></sheetData>')(path)


def day() -> date:
    return date(2020, 1, 1)


def void(_: object) -> None:
    """For lambdas whose call gives something."""
