"""Files that are complete or absent, and the one kind of error that user input can cause."""

from __future__ import annotations

import errno
import glob
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import pandas as pd

MAX_FILE = 2**29
"""Bytes of any file that is read whole: 512 MiB."""
MAX_TEXT = 2**26
"""Bytes of a file of text, a table or JSON, which takes many times as much once it is read."""
MAX_WEIGHTS = 2**35
"""Bytes of a file of weights: of these only what is asked for is read."""


class BadInput(ValueError):
    """Something a user gave is wrong. The message says which file, what was found and expected."""

    def __init__(self, message: str) -> None:
        """Keep the message in one line, whatever a library said that is quoted in it."""
        super().__init__(printable(" ".join(message.splitlines())))


def printable(text: str) -> str:
    """A text that a terminal only shows: names of files may hold escape sequences, or no text.

    >>> printable(f"red{chr(27)}[31m") == "red" + chr(92) + "x1b[31m"
    True
    """
    kept = "".join(c if c in "\n\t" or not _is_control(c) else ascii(c)[1:-1] for c in text)
    return kept.encode("utf-8", "backslashreplace").decode()


def _is_control(character: str) -> bool:
    """Control characters, and those that turn the direction of what follows."""
    return unicodedata.category(character) in ("Cc", "Cf")


def require(condition: bool, message: str) -> None:
    """Refuse what a user gave unless a condition holds.

    Raises:
        BadInput: with the message.
    """
    if not condition:
        raise BadInput(message)


def reason(error: BaseException) -> str:
    """What a library says of a file, as part of one line: decoders may quote the whole file."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."


def write_bytes(
    path: Path, data: bytes | Sequence[bytes | memoryview], *, is_durable: bool = True
) -> None:
    """Write a whole file or none: temporary name, fsync, replace, fsync of the folder.

    Every writer of the program goes through here; only log.jsonl is appended to, line by line.

    Args:
        path: the file.
        data: all of its bytes, at once or in parts.
        is_durable: False leaves both fsyncs, which take milliseconds, to the caller: thousands
            of small files share one `sync_all` before the marker that says they stand.

    Raises:
        OSError: if the disk is full or not writable; what stood at `path` before is untouched.
            Its one line says what to do.
    """
    parts = [data] if isinstance(data, bytes) else data
    temporary = path.parent / _temporary_name(path.name)
    if not os.path.isdir(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(temporary, "xb") as file:  # "x": never through a link, nor into another's file
            for part in parts:
                file.write(part)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _cannot_write(path, sum(map(len, parts)), error) from error
    if is_durable:
        sync_folder(path.parent)


def _temporary_name(name: str) -> str:
    """A name that nobody can guess, and that says which process writes."""
    return f".{name[:40]}.{os.getpid()}-{secrets.token_hex(8)}.tmp"


def append_line(path: Path, line: str) -> None:
    """Add a line to a log; a kill may tear it, and its reader must expect that.

    Raises:
        OSError: if the disk is full or not writable.
    """
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise _cannot_write(path, len(line) + 1, error) from error


def _cannot_write(path: Path, size: int, error: OSError) -> OSError:
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = (
        "free space there; the same command then resumes"
        if is_full
        else "see that it can be written"
    )
    what = f"cannot write {size:,} bytes ({error.strerror}); {advice}"
    return OSError(error.errno, what, str(path))


def sync_all() -> None:
    """Make everything written so far durable."""
    os.sync()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what killed writes left in a folder and below it; nobody may be writing there."""
    for path in list(folder.rglob(".*.tmp")):
        _remove(path)


def _sweep_dead(paths: Iterable[Path]) -> None:
    """Remove those temporaries whose processes no longer run."""
    for path in paths:
        pid = path.name.split(".")[-2].split("-")[0]
        if pid.isdecimal() and not is_running(int(pid)):
            _remove(path)


def is_running(pid: int) -> bool:
    """Whether there is a process of that number on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def read_bytes(path: Path, max_bytes: int = MAX_FILE) -> bytes:
    """All bytes of a file that a user gave, at most so many; errors as of `open_file`."""
    with open_file(path, max_bytes) as file:
        return file.read()


@contextmanager
def open_file(path: Path, max_bytes: int = MAX_FILE) -> Iterator[BinaryIO]:
    """A file that a user gave, opened once it is known to be one, and not too large.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it is a folder or a pipe, too large, or must not be read.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # A pipe would be waited for.
            raise BadInput(f"{path}: not a file; put the file itself there")
        if found.st_size > max_bytes:
            raise BadInput(f"{path}: {found.st_size:,} bytes; expected at most {max_bytes:,}")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; correct its path") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); see its permissions") from error


def holds_files(folder: Path) -> bool:
    """Whether a folder holds more than what killed writes left behind."""
    return folder.is_dir() and any(not child.name.startswith(".") for child in folder.iterdir())


def refuse_filled(folder: Path, *, even_hidden: bool = False) -> None:
    """Refuse to write a set where something else is; hidden files count where a rename needs it.

    Raises:
        BadInput: if the folder holds files, or is one.
    """
    if folder.is_file() or (any(folder.glob("*")) if even_hidden else holds_files(folder)):
        raise BadInput(f"{folder}: is not an empty folder; give a new one")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A place to write a new folder in, which gets its name once the block ends without an error.

    Raises:
        BadInput: if the folder holds files, or is one.
        OSError: if it cannot be written.
    """
    refuse_filled(folder, even_hidden=True)
    _sweep_dead(folder.parent.glob(f".{glob.escape(folder.name[:40])}.*.tmp"))
    temporary = folder.parent / _temporary_name(folder.name)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def claim_folder(folder: Path, request: Mapping[str, Any]) -> None:
    """Note in `request.json` what is written into a folder, so that the same request may resume.

    Records of slides without a tile are cleared, and what killed processes left half written.

    Raises:
        BadInput: if the folder holds something else.
    """
    path, facts = folder / "request.json", {"request": digest(request)}
    if not path.exists():
        refuse_filled(folder)
    elif read_json(path) != facts:
        if (folder / "images").exists():
            raise BadInput(
                f"{folder}: holds tiles of another request; give another --out, or delete it"
            )
        shutil.rmtree(folder / "slides", ignore_errors=True)
    _sweep_dead(list(folder.rglob(".*.tmp")))
    write_json(path, facts)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getvalue())


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    write_bytes(path, as_json_bytes(value))


def as_json_bytes(value: Any) -> bytes:
    """A value as `write_json` writes it."""
    return (json.dumps(value, indent=2) + "\n").encode()


def read_json(path: Path, remedy: str = "delete it to redo") -> Any:
    """Read a JSON file; `remedy`: what to do where it is damaged.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is not JSON.
    """
    data = read_bytes(path, MAX_TEXT)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not readable as JSON ({error}); {remedy}") from error


def digest(value: Any) -> str:
    """A short hash of bytes, or of any JSON value (keys in any order)."""
    if not isinstance(value, bytes):
        value = json.dumps(value, sort_keys=True, default=str).encode()
    return hashlib.sha256(value).hexdigest()[:16]
