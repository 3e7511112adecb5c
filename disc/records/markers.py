"""Markers of a stage: `begun.json` while it is at work, `done.json` once all is written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from disc.files import BadInput, as_json_bytes, digest, read_bytes, write_json
from disc.records.listing import (
    BEGUN,
    DONE,
    UNREAD,
    Listed,
    find_fault,
    list_files,
    tell_remedy,
)
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


def check_files(folder: Path, *, is_hashed: bool = True) -> None:
    """Compare all that a stage left with what it noted, where it is done and noted anything.

    Args:
        folder: of the stage.
        is_hashed: whether contents are compared, too, not sizes alone.

    Raises:
        BadInput: at the first file that is missing or changed; what no later stage reads may be.
    """
    if not has_marker(folder, DONE):
        return
    for name, text in (read_done(folder).files or {}).items():
        if not UNREAD.isdisjoint(name.split("/")):
            continue
        if why := find_fault(folder / name, Listed.parse(text), is_hashed=is_hashed):
            path = os.path.normpath(folder / name)
            raise BadInput(f"{path}: damaged ({why}); {tell_remedy(folder)}")


@contextmanager
def marked(folder: Path, key: str, outputs: Iterable[Path] = ()) -> Iterator[None]:
    """Put both markers around work in a folder that is no stage of a run.

    Args:
        folder: that is written to.
        key: what is made there, as `Done.config`.
        outputs: files outside the folder that the work leaves.
    """
    # the marker goes first: written anew halfway, the folder must not look done
    (folder / DONE).unlink(missing_ok=True)
    write_begun(folder, {"config": key})
    start = time.perf_counter()
    yield
    _write_list(folder, key, list_files(folder, outputs), time.perf_counter() - start)


def note_files(folder: Path, key: str) -> None:
    """Note the files of a folder that is no stage of a run, and that grows.

    Files that were noted before stay as they were noted.
    """
    known = dict(read_done(folder).files or {}) if has_marker(folder, DONE) else None
    found = list_files(folder, known=known)
    if found != known:
        _write_list(folder, key, found, 0.0)


def _write_list(folder: Path, key: str, files: Mapping[str, str], seconds: float) -> None:
    now = time.time_ns()
    done = Done(config=key, inputs={}, files=files, seconds=round(seconds, 2), finished=now)
    write_done(folder, done)


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
