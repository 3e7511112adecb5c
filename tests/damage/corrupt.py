"""Random damage: to a file's bytes, or inside of it with its checksums made right again."""

import io
import struct
import zipfile
import zlib

import numpy as np


def corrupt(suffix: str, data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """The data of a file with one kind of damage, and what was done."""
    if suffix == ".xlsx" and rng.random() < 0.5:
        return corrupt_part(data, rng)
    if suffix == ".png" and rng.random() < 0.5:
        return corrupt_chunk(data, rng)
    return corrupt_bytes(data, rng)


def corrupt_bytes(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    place, many = int(rng.integers(max(1, len(data)))), int(rng.integers(1, 65))
    before, noise, few = data[:place], rng.bytes(many), min(many, 4)
    edits = {
        "one bit": before + bytes([(data or b"\0")[place] ^ 1 << many % 8]) + data[place + 1 :],
        "one byte": before + noise[:1] + data[place + 1 :],
        "one letter": before + bytes([48 + noise[0] % 10]) + data[place + 1 :],
        "some bytes": before + noise + data[place + many :],
        "cut off": before,
        "put in": before + noise + data[place:],
        "taken out": before + data[place + many :],
        "largest": before + b"\xff" * few + data[place + few :],
    }
    name = str(rng.choice(list(edits)))
    return edits[name], f"{name} at {place}, length {many}"


def corrupt_part(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """A workbook packed again after damage to one of its parts."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = str(rng.choice(list(parts)))
    parts[name], edit = corrupt_bytes(parts[name], rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, part in parts.items():
            archive.writestr(key, part)
    return buffer.getvalue(), f"in {name}: {edit}"


def corrupt_chunk(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """A PNG with damage to the body of one chunk, of the right length and checksum."""
    place, chunks = 8, []
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    chosen = int(rng.integers(len(chunks)))
    kind, body = chunks[chosen]
    body, edit = corrupt_bytes(body, rng)
    chunks[chosen] = (kind, body)
    return join_chunks(chunks), f"in {kind.decode()}: {edit}"


def join_chunks(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of these chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
