"""Which files a stage left, with size and hash, and whether they are still the same."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from disc.files import BadInput

DONE, BEGUN = "done.json", "begun.json"
"""Markers of a stage, which are in no list."""
UNREAD = frozenset({"log.jsonl", "checkpoint.safetensors", "previews", "board"})
"""Files, and folders of files, that no later stage reads: for people, or from a training's end."""
_BLOCK = 2**22
_HASH = 32
"""Letters of a hash that are kept: 128 bits."""


class Listed(NamedTuple):
    """What a file was when it was written."""

    size: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Listed:
        """Read what `str` gives: bytes, a space, the hash.

        Raises:
            ValueError: if it is something else.
        """
        size, _, found = text.partition(" ")
        if len(found) != _HASH:
            raise ValueError(f"'{text[:60]}': expected a size and a hash")
        return cls(int(size), found)

    def __str__(self) -> str:
        """As a list of files holds it."""
        return f"{self.size} {self.hash}"


def list_files(
    folder: Path, outputs: Iterable[Path] = (), known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """All files of a stage, by their name within its folder, with size and hash.

    Args:
        folder: of the stage.
        outputs: files outside it.
        known: what was noted before, which stays.
    """
    known = known or {}
    paths = sorted(path for path in walk_files(folder) if path.name not in (DONE, BEGUN))
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    named |= {os.path.relpath(path, folder): path for path in outputs}
    return {
        name: known.get(name) or str(Listed(path.stat().st_size, hash_file(path)))
        for name, path in named.items()
        if path.is_file()
    }


def walk_files(folder: Path) -> Iterator[Path]:
    """Files, links and pipes of a folder and below it, without what killed writes left."""
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for name in (*names, *links):
            if not name.startswith("."):
                yield Path(root, name)


def hash_file(path: Path) -> str:
    """A hash of a file's bytes."""
    with path.open("rb") as file:
        found = hashlib.sha256()
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()[:_HASH]


def hash_once(path: Path) -> str:
    """`hash_file`, of a file that is read again only once its size or its time has changed."""
    found = path.stat()
    return _hash_once(path, found.st_size, found.st_mtime_ns, found.st_ino)


@lru_cache(256)
def _hash_once(path: Path, _size: int, _mtime: int, _number: int) -> str:
    return hash_file(path)


def find_fault(path: Path, listed: Listed, *, is_hashed: bool = True) -> str:
    """What is wrong with a file, in a few words; "": nothing.

    Args:
        path: the file.
        listed: what it was.
        is_hashed: whether its content is compared, too, not its size alone.
    """
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode):
            return "not a file"
        if found.st_size != listed.size:
            return f"{found.st_size:,} bytes; {listed.size:,} when it was written"
        if is_hashed and hash_file(path) != listed.hash:
            return "another hash than when it was written"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def check_listed(path: Path, data: bytes, *, stage: Path | None = None) -> None:
    """Compare what was read with what the stage that left it noted; without a note, nothing.

    Args:
        path: the file.
        data: its bytes.
        stage: folder of the stage; None: the nearest folder above the file that has a marker.

    Raises:
        BadInput: if it is something else.
    """
    folder = stage or _find_stage(path)
    if folder is None:
        return
    text = read_list(folder).get(os.path.relpath(path, folder))
    if text is None:
        return
    listed = Listed.parse(text)
    if listed.size != len(data):
        why = f"{len(data):,} bytes; {listed.size:,} when it was written"
    elif hashlib.sha256(data).hexdigest()[:_HASH] != listed.hash:
        why = "another hash than when it was written"
    else:
        return
    raise BadInput(f"{path}: damaged ({why}); {tell_remedy(folder)}")


def tell_remedy(folder: Path) -> str:
    """What to do where a file of a stage is not what it was."""
    return (
        f"bring it back, or delete the folder {folder}: the command that made it then makes it "
        "again, and makes again or names what follows from it"
    )


def read_list(folder: Path) -> Mapping[str, str]:
    """The files that a stage noted; none where it noted none or its marker cannot be read."""
    marker = folder / DONE
    try:
        found = marker.stat()
    except OSError:
        return {}
    if not S_ISREG(found.st_mode) or found.st_size > 2**29:
        return {}
    return _read_list(marker, found.st_mtime_ns, found.st_size)


@lru_cache(32)
def _read_list(marker: Path, _mtime: int, _size: int) -> Mapping[str, str]:
    try:
        files = json.loads(marker.read_bytes())["files"]
        return {name: text for name, text in files.items() if Listed.parse(text)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _find_stage(path: Path) -> Path | None:
    return next((parent for parent in path.parents[:4] if (parent / DONE).is_file()), None)
