"""A bar with the time left, for everything that takes long."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """Progress of one piece of work; it moves on a terminal and is silent elsewhere."""

    def __init__(self, name: str, *, total: int, start: int = 0, shown: bool = True) -> None:
        """Show a bar for `total` units, of which `start` are done."""
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

    def advance(self, amount: int = 1) -> None:
        """Count units of work as done."""
        self._progress.advance(self._task, amount)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
