"""Whether others compute on the cores that a run may use."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from disc.processes import num_cores, own_device

Ticks = Mapping[str, tuple[int, int]]
STAT = Path("/proc/stat")
SECONDS = 0.5
BUSY = 0.2
"""Cores that others take, from which on a machine is called busy; of threads, the part of them."""


def tell_busy(advice: str) -> list[str]:
    """A note where other processes compute on this one's cores, by a short look at them."""
    others, cores = measure_others(SECONDS)
    return [_note(others, cores, advice)] if others >= BUSY else []


def tell_threads() -> list[str]:
    """A note where others leave too few cores idle for the threads of a training on CPUs."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(num_cores(), int(told)) if told.isdecimal() and int(told) else num_cores()
    if threads == 1:
        return []
    others, cores = measure_others(SECONDS)
    idle = cores - others
    fitting = max(1, round(idle))
    # a container may have a share of many cores: what others leave is enough there
    if idle >= threads * (1 - BUSY) or own_device().type != "cpu":
        return []
    advice = "; beside others, threads of a training wait for each other: stop them"
    if fitting < threads:
        advice += (
            f", or begin this run with OMP_NUM_THREADS={fitting} before the command, since fewer "
            "are often faster, and keep that to its end (another number rounds differently)"
        )
    return [_note(others, cores, advice)]


def _note(others: float, cores: int, advice: str) -> str:
    return (
        f"this machine is busy: other processes take {others:.1f} of the {cores} core(s) that this "
        f"one may use{advice}"
    )


def measure_others(seconds: float) -> tuple[float, int]:
    """Cores that others use while this process waits, and cores that it may use.

    0 where the system does not say.
    """
    before = read_ticks()
    time.sleep(seconds)
    after = read_ticks()
    return busy_cores(before, after), max(1, len(after))


def busy_cores(before: Ticks, after: Ticks) -> float:
    """How many of this process's cores computed between two readings, whoever for."""
    shares = []
    for core in before.keys() & after.keys():  # one may have come or gone
        idle, total = (late - early for early, late in zip(before[core], after[core], strict=True))
        shares.append(1 - idle / total if total > 0 else 0.0)
    return sum(shares)


def read_ticks() -> Ticks:
    """Idle and all ticks so far of the cores that this process may use; none if nobody says."""
    try:
        own = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        rows = [line.split() for line in STAT.read_text().splitlines()]
    except (OSError, AttributeError):  # a sandbox; not Linux
        return {}
    ticks = {row[0]: [int(cell) for cell in row[1:9]] for row in rows if row and row[0] in own}
    # The fourth and fifth are idle, and idle while a disk is waited for.
    return {core: (sum(cells[3:5]), sum(cells)) for core, cells in ticks.items()}
