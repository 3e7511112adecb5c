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


@contextmanager
def no_progress() -> Iterator[None]:
    """While it lasts, no bar is shown or told: for processes whose parent tells how far all are."""
    token = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(token)


class Bar:
    """Progress of one piece of work; it moves on a terminal, and elsewhere is told in lines."""

    def __init__(
        self, name: str, *, total: int, unit: str, start: int = 0, shown: bool = True
    ) -> None:
        """Show a bar for `total` units, of which `start` are done; `unit` is one of them."""
        self.name, shown = name, shown and not _SILENT.get()
        self._unit, self._total, self._start = unit, total, start
        self._done, self._note, self._since = start, "", time.monotonic()
        # one display for a bar and those within it: two would write over each other
        open_bars = (bar for held in _BARS if (bar := held()) is not None)
        outer = next(open_bars, None) if shown else None
        self._is_inner = outer is not None
        self._display: Progress = _draw(shown) if outer is None else outer._display
        if not self._is_inner:
            self._display.start()
        self._task = self._display.add_task(name, total=total, completed=start)
        self._own: _Ticker | None = None
        self._ticker = _TICKER.get() or (outer._living() if outer else None) if shown else None
        if shown and self._ticker is None and not sys.stderr.isatty():
            self._own = self._ticker = _Ticker("", _print_error)
        if self._ticker is not None:
            self._ticker.bars.append(ref(self))
        if self._own is not None:
            self._own.start()
        if shown:
            _BARS.append(ref(self))

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Count units of work as done; the note stands in the next line, as a loss does."""
        self._done += amount
        self._note = note
        self._display.advance(self._task, amount)

    def close(self) -> None:
        """Take the bar away."""
        if self._is_inner:
            self._display.remove_task(self._task)
        else:
            self._display.stop()
        _BARS[:] = [held for held in _BARS if held() not in (None, self)]
        if self._ticker is not None and ref(self) in self._ticker.bars:
            self._ticker.bars.remove(ref(self))
        if self._own is not None:
            self._own.stop()

    def _living(self) -> _Ticker | None:
        """Its own ticker, while that tells."""
        return self._own if self._own is not None and self._own.is_alive else None

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


def _draw(shown: bool) -> Progress:
    return Progress(
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


_BARS: list[ref[Bar]] = []
"""Those that are open, the outermost first."""


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

    @property
    def is_alive(self) -> bool:
        """Whether it still says lines."""
        return self._thread.is_alive()

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


_SILENT: ContextVar[bool] = ContextVar("_SILENT", default=False)
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
