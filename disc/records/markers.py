"""Markers of a stage: `begun.json` while it is at work, `done.json` once all is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from disc.files import BadInput, as_json_bytes, digest, read_bytes, write_json
from disc.records.listing import BEGUN, DONE, Listed
from disc.records.typed import Finite, T, parse_record, stands

_CHECK = "check"
"""Key of a marker's own hash; markers from before there was one have none."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What a stage is being made from; both empty while its folder is being cleared."""

    config: str = ""
    """Hash of its settings."""
    inputs: Mapping[str, str] | None = None
    """Hash of the result of every stage that it needs."""
    given: Mapping[str, str] | None = None
    """Hash of every file of others that it reads and that was there."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a stage was made from, and what it left."""

    config: str
    """Hash of its settings."""
    inputs: Mapping[str, str]
    """Hash of the result of every stage that it needs."""
    seconds: Finite
    what: str = ""
    """What was done, in a few words."""
    finished: int | None = None
    """When, in nanoseconds."""
    result: str = ""
    """Hash of all that it made, where it makes such a file."""
    given: Mapping[str, str] | None = None
    """Hash of every file of others that it read; None: from before they were noted."""
    files: Mapping[str, str] | None = None
    """Size and hash of every file that it left; None: from before they were noted."""


def write_done(folder: Path, done: Done) -> None:
    """Write the marker of a stage that is done."""
    facts = {name: value for name, value in asdict(done).items() if value not in (None, "")}
    write_json(folder / DONE, {**facts, _CHECK: digest(facts)})


def read_done(folder: Path) -> Done:
    """The marker of a stage that is done.

    Raises:
        FileNotFoundError: if it is not.
        BadInput: if the marker is damaged.
    """
    path = folder / DONE
    found = path.stat() if path.is_file() else None
    return _read_done(path, found and (found.st_mtime_ns, found.st_size, found.st_ino))


@lru_cache(64)
def _read_done(path: Path, _version: tuple[int, ...] | None) -> Done:
    folder = path.parent
    done = _read(path, Done, f"bring it back, or delete the folder {folder} to redo the stage")
    try:
        for text in (done.files or {}).values():
            Listed.parse(text)
    except ValueError as error:
        raise BadInput(f"{path}: damaged (files: {error}); delete the folder {folder}") from error
    return done


def result_key(folder: Path) -> str:
    """Hash of what a stage made, or else of what its marker says, however that is laid out.

    "": it is not done.

    Raises:
        BadInput: if the marker is damaged.
    """
    if not has_marker(folder, DONE):
        return ""
    done = read_done(folder)
    return done.result or digest(as_json_bytes(json.loads(read_bytes(folder / DONE))))


def write_begun(folder: Path, key: Mapping[str, Any]) -> None:
    """Note what a stage is being made from; an empty note: its folder is being cleared."""
    write_json(folder / BEGUN, {**key, _CHECK: digest(key)} if key else {})


def read_begun(folder: Path) -> Begun:
    """What a stage that is at work is being made from.

    Raises:
        FileNotFoundError: if none is.
        BadInput: if the marker is damaged.
    """
    advice = f"bring it back, or delete the folder {folder} to begin the stage anew"
    return _read(folder / BEGUN, Begun, advice)


def has_marker(folder: Path, name: str) -> bool:
    """Whether a marker stands, be it damaged: a link to nothing must not undo a stage."""
    return stands(folder / name)


def _read(path: Path, kind: type[T], remedy: str) -> T:
    data = read_bytes(path)
    facts = parse_record(path, data, dict[str, Any], remedy)
    said = facts.pop(_CHECK, None)
    if said is not None and said != digest(facts):
        raise BadInput(f"{path}: damaged (another hash than when it was written); {remedy}")
    return parse_record(path, data, kind, remedy)
