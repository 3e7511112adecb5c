"""Safetensors files that carry the hash of their own content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from disc.files import BadInput

NAME = "sha256"
"""Of the entry of the metadata."""
_BLANK = b"0" * 64
_MAX_HEADER = 100_000_000
"""Bytes of a header, as safetensors itself allows them."""
_BLOCK = 2**22


def seal(data: bytes) -> Sequence[bytes | memoryview]:
    """A safetensors file with the SHA-256 of its header and tensors in its metadata.

    Args:
        data: the file, as safetensors writes it.

    Returns:
        The sealed file, in parts.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    metadata = {NAME: _BLANK.decode(), **header.pop("__metadata__", {})}
    blank = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    blank += b" " * (-len(blank) % 8)
    length, tensors = len(blank).to_bytes(8, "little"), memoryview(data)[end:]
    found = hashlib.sha256(length + blank)
    found.update(tensors)
    return [length, blank.replace(_BLANK, found.hexdigest().encode(), 1), tensors]


def check_seal(path: Path, data: bytes, remedy: str) -> bool:
    """Whether a safetensors file says its own hash; if so, it is compared.

    Raises:
        BadInput: if it is another.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    said = _read_said(data[8 : min(end, 8 + _MAX_HEADER)])
    if said is None:
        return False
    found = hashlib.sha256(data[:8] + data[8:end].replace(said.encode(), _BLANK, 1))
    found.update(memoryview(data)[end:])
    if found.hexdigest() != said:
        raise _changed(path, remedy)
    return True


def check_sealed_file(path: Path, remedy: str) -> bool:
    """The same of a file on disk, which is read in pieces.

    Raises:
        BadInput: if it is no safetensors file, or not what was written.
    """
    with path.open("rb") as file:
        said, found = _read_header(path, file, remedy)
        if said is None:
            return False
        while block := file.read(_BLOCK):
            found.update(block)
    if found.hexdigest() != said:
        raise _changed(path, remedy)
    return True


def _read_header(path: Path, file: BinaryIO, remedy: str) -> tuple[str | None, Any]:
    """What a file says of its hash, and the hash of its header; its size is compared."""
    first = file.read(8)
    length = int.from_bytes(first, "little")
    text = file.read(length) if length <= _MAX_HEADER else b""
    try:
        header = json.loads(text)
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name[:2] != "__"]
        is_whole = 8 + length + max(ends, default=0) == path.stat().st_size
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise BadInput(f"{path}: damaged (no whole safetensors file); {remedy}")
    said = _read_said(text)
    return said, hashlib.sha256(first + text.replace((said or "-").encode(), _BLANK, 1))


def _read_said(text: bytes) -> str | None:
    try:
        values = json.loads(text)["__metadata__"].values()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    # By its length: a changed name of the entry must not take the seal away.
    said = [value for value in values if isinstance(value, str) and len(value) == len(_BLANK)]
    return said[0] if said else None


def _changed(path: Path, remedy: str) -> BadInput:
    return BadInput(f"{path}: damaged (another hash than when it was written); {remedy}")
