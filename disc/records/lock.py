"""A lock on a folder: one process writes a run, and a second one is told who does."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

from disc.files import BadInput, is_running
from disc.records.typed import parse_record

NAME = ".lock"
BEAT = 60.0
"""Seconds after which a holder shows again that it lives."""
PATIENCE = 600.0
"""Seconds without a sign after which a holder on another machine is taken to be no more."""
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems without locks answer."""
_MAX_BYTES = 4096
_OPEN = set[int]()
"""Descriptors of the locks that this process holds."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The process that holds a lock."""

    host: str
    pid: int
    started: str
    """When it took the lock, on its clock."""

    def __str__(self) -> str:
        """For people."""
        return f"process {self.pid} on {self.host} since {self.started}"


@contextmanager
def hold_folder(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep other processes from writing to a folder while this one does.

    The system lets go of the lock of a process that ends in whatever way. What the file says is
    for people, and for file systems that know no locks or share none with other machines.

    Args:
        folder: that is written to; it is made.
        say: takes a line where a lock was left by a process that is no more.

    Raises:
        BadInput: if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _open(folder / NAME, os.O_RDWR | os.O_CREAT) as descriptor:
        if left := _take(folder / NAME, descriptor):
            say(f"{folder}: {left} is no more; its lock is taken over")
        try:
            with _beating(descriptor):
                yield
        finally:
            os.ftruncate(descriptor, 0)


def find_holder(folder: Path) -> Holder | None:
    """Who holds a folder; None: nobody, or a process that is no more.

    Nothing is written: the folder may be one that can only be read.

    Raises:
        BadInput: if the lock cannot be read.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    with _open(path, os.O_RDONLY) as descriptor:
        is_free, left = _lock(descriptor), _read(path, descriptor)
        return None if left is None or (is_free and _is_over(left, descriptor)) else left


@contextmanager
def _open(path: Path, access: int) -> Iterator[int]:
    # O_NONBLOCK: a pipe of this name must not be waited for.
    flags = access | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise BadInput(f"{path}: {_tell(path, error, access)}") from error
    _OPEN.add(descriptor)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadInput(f"{path}: not a file; delete it")
        yield descriptor
    finally:
        _OPEN.discard(descriptor)
        os.close(descriptor)


def _tell(path: Path, error: OSError, access: int) -> str:
    """Why there is no lock; what is a file may be another process's lock, and is not deleted."""
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        return f"no lock can be there ({error.strerror}); delete it"
    if access == os.O_RDONLY:
        return f"cannot be read ({error.strerror}); see its permissions"
    return (
        f"cannot be written ({error.strerror}), so whether another process is at work there cannot "
        "be told; see the permissions of the folder and of this file"
    )


def _let_go() -> None:
    """In a forked worker, which may outlive the command: the lock is the command's alone."""
    for descriptor in _OPEN:
        os.close(descriptor)
    _OPEN.clear()


def _take(path: Path, descriptor: int) -> Holder | None:
    """Take the lock; who left it without letting go, if anyone."""
    is_free, left = _lock(descriptor), _read(path, descriptor)
    if not is_free or (left is not None and not _is_over(left, descriptor)):
        raise BadInput(
            f"{path.parent}: in use by {left or 'another process'}; wait until it has ended, or "
            f"stop it; if it is no more, delete {path}"
        )
    own = Holder(
        host=socket.gethostname(), pid=os.getpid(), started=f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    )
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(own)).encode(), 0)
    return left


def _lock(descriptor: int) -> bool:
    """Whether no other process of this machine holds the lock, so far as the system knows."""
    try:
        _flock(descriptor)
    except ImportError:  # Windows
        return True
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True


def _flock(descriptor: int) -> None:
    import fcntl

    # Some systems give a file that is only read no other lock than one that readers share.
    is_read = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    fcntl.flock(descriptor, (fcntl.LOCK_SH if is_read else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _is_over(left: Holder, descriptor: int) -> bool:
    """Whether the holder of a lock that is not held is no more: it let go of none."""
    if left.host == socket.gethostname():
        # Where the system knows locks it has ended, whoever has its number now.
        return _knows_locks(descriptor) or not is_running(left.pid)
    return time.time() - os.fstat(descriptor).st_mtime > PATIENCE


def _knows_locks(descriptor: int) -> bool:
    try:
        _flock(descriptor)
    except (ImportError, OSError):
        return False
    return True


def _read(path: Path, descriptor: int) -> Holder | None:
    """What a lock says; None: nothing, or nothing that can be understood."""
    try:
        return parse_record(path, os.pread(descriptor, _MAX_BYTES, 0), Holder, "delete it")
    except (OSError, BadInput):
        return None


@contextmanager
def _beating(descriptor: int) -> Iterator[None]:
    """Change the file's time now and then, for other machines to see."""
    stopped = Event()

    def beat() -> None:
        while not stopped.wait(BEAT):
            with suppress(OSError):
                os.utime(descriptor)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
