"""How far long work is: a bar with the time left on a terminal, and elsewhere a line a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from threading import Event, Thread
from weakref import ref

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from disc.files import printable

MINUTE = 60.0
"""Seconds between two lines."""


def print_line(text: str) -> None:
    """Print a line with the clock on standard output."""
    print(_with_clock(text), flush=True)


@contextmanager
def tell_progress(name: str, say: Callable[[str], None]) -> Iterator[None]:
    """While it lasts, say once a minute how far the work is, unless a terminal shows bars.

    Args:
        name: of the work; every line begins with it.
        say: takes a line.
    """
    ticker = _Ticker(name, say)
    if _is_watched():
        yield
        return
    token = _TICKER.set(ticker)
    ticker.start()
    try:
        yield
    finally:
        _TICKER.reset(token)
        ticker.stop()


class Bar:
    """Progress of one piece of work; it moves on a terminal, and elsewhere is told in lines."""

    def __init__(
        self, name: str, *, total: int, unit: str, start: int = 0, shown: bool = True
    ) -> None:
        """Show a bar for `total` units, of which `start` are done; `unit` is one of them."""
        self.name = name
        self._unit, self._total, self._start = unit, total, start
        self._done, self._note, self._since = start, "", time.monotonic()
        self._progress = Progress(
            TextColumn("  {task.description:24}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            disable=not (shown and sys.stderr.isatty()),
            console=Console(stderr=True),
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task(name, total=total, completed=start)
        self._ticker = _TICKER.get() if shown else None
        self._own: _Ticker | None = None
        if shown and self._ticker is None and not sys.stderr.isatty():
            self._own = self._ticker = _Ticker("", _print_error)
        if self._ticker is not None:
            self._ticker.bars.append(ref(self))
        if self._own is not None:
            self._own.start()

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Count units of work as done; the note stands in the next line, as a loss does."""
        self._done += amount
        self._note = note
        self._progress.advance(self._task, amount)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
        if self._ticker is not None and ref(self) in self._ticker.bars:
            self._ticker.bars.remove(ref(self))
        if self._own is not None:
            self._own.stop()

    def tell(self) -> str:
        """How far it is: units done, the note, the rate since the bar began, and the time left."""
        parts = [f"{self._done:,} of {self._total:,} {self._unit}s"]
        rate = (self._done - self._start) / max(1e-9, time.monotonic() - self._since)
        if self._note:
            parts.append(self._note)
        if rate > 0:
            parts.append(f"{rate:.3g} {self._unit}s/s")
            parts.append(f"{_as_clock((self._total - self._done) / rate)} left")
        return ", ".join(parts)


class _Ticker:
    """A thread that says once a minute how far the innermost bar is, or for how long work lasts.

    Bars are not held: one that an error left open ends with the work that drew it.
    """

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self.bars: list[ref[Bar]] = []
        self._name, self._say, self._since = name, say, time.monotonic()
        self._stopped = Event()
        self._thread = Thread(target=self._tick, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _tick(self) -> None:
        # no bar is named here: a name would hold it until the next line
        while not self._stopped.wait(MINUTE) and (said := self._tell()):
            self._say(said)

    def _tell(self) -> str:
        """A line; "" where there is neither a name nor a bar left to tell of."""
        bar = next((bar for held in reversed(self.bars) if (bar := held()) is not None), None)
        if bar is None and not self._name:
            return ""
        if bar is None:
            return f"{self._name}: at work for {_as_clock(time.monotonic() - self._since)}"
        is_named = not self._name.endswith(bar.name)
        return ": ".join([self._name] * bool(self._name) + [bar.name] * is_named + [bar.tell()])


_TICKER: ContextVar[_Ticker | None] = ContextVar("_TICKER", default=None)
"""The ticker of the work that is being done."""


def _is_watched() -> bool:
    """Whether bars are seen where lines would be; if one of the two is a file, it gets lines."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def _print_error(text: str) -> None:
    print(_with_clock(text), file=sys.stderr, flush=True)


def _with_clock(text: str) -> str:
    return f"{datetime.now():%Y-%m-%d %H:%M:%S}  {printable(text)}"


def _as_clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))
