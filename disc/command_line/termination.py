"""How a command ends early: for a scheduler as for Ctrl-C, and with an error in words."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Termination(KeyboardInterrupt):
    """What schedulers ask of a process before they kill it."""


@contextmanager
def hear_termination() -> Iterator[None]:
    """Stop for SIGTERM as for Ctrl-C: with what is half written cleared, and a line."""

    def stop(number: int, frame: object) -> None:
        raise Termination

    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if not is_ours:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def tell_error(error: Exception) -> str:
    """An error for people: without the number that the system has for it."""
    if not (isinstance(error, OSError) and error.strerror):
        return str(error)
    named = [x for x in (error.filename, error.filename2) if x is not None]
    # a name may be the number of an open file
    paths = " to ".join(str(x) if isinstance(x, int) else os.fsdecode(x) for x in named)
    return f"{paths}: {error.strerror}" if paths else error.strerror
