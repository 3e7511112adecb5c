"""What a run will take, as `disc run PRESET --dry-run` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from disc.files import printable


@dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """What a network's work takes: a training step, or a forward pass of several samples."""

    name: str
    parameters: int
    batch: int
    """Samples of it in the run."""
    unit: int
    """Into how many parts stages count it: 1 for a step, the batch where samples count."""
    measured: int
    """Samples that it was measured with."""
    flops: float
    """Floating-point operations, a multiplication and an addition being two."""
    seconds: float
    """Seconds; in proportion, if it was measured with fewer samples."""
    memory: float
    """Bytes at its peak; likewise."""


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage of the run."""

    name: str
    what: str
    flops: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A whole run."""

    title: str
    machine: str
    networks: Sequence[NetworkRow]
    stages: Sequence[StageRow]
    notes: Sequence[str]
    times: int = 1
    """How often all of it is done: once for each fold."""

    @property
    def seconds(self) -> float:
        """All stages, once for each fold."""
        return self.times * sum(stage.seconds for stage in self.stages)


def print_estimate(estimate: Estimate, console: Console | None = None) -> None:
    """Print both tables, the total and the notes."""
    console = console or Console(highlight=False)
    # 80 columns, a pipe's width, must not cut off digits
    title = printable(f"{estimate.title}, on {estimate.machine}")
    networks = Table(title=title, title_style="", box=SIMPLE_HEAD, pad_edge=False)
    networks.add_column("network", no_wrap=True)
    for heading in ("weights", "batch", "GFLOP", "s", "GFLOP/s", "GiB"):
        networks.add_column(heading, justify="right", no_wrap=True)
    for row in estimate.networks:
        networks.add_row(*_cells(row))
    console.print(networks)
    stages = Table("stage", "work", box=SIMPLE_HEAD, pad_edge=False)
    stages.columns[0].no_wrap = True
    flops = estimate.times * sum(stage.flops for stage in estimate.stages)
    size, unit = (1e15, "PFLOP") if flops > 1e16 else (1e12, "TFLOP")
    for heading in (unit, "time"):
        stages.add_column(heading, justify="right", no_wrap=True)
    for stage in estimate.stages:
        done, time = f"{stage.flops / size:,.1f}", name_time(stage.seconds)
        stages.add_row(stage.name, stage.what, done, time)
    often = f", {estimate.times} times" if estimate.times > 1 else ""
    stages.add_section()
    stages.add_row(f"all{often}", "", f"{flops / size:,.1f}", name_time(estimate.seconds))
    console.print(stages)
    for note in estimate.notes:
        console.print(printable(f"- {note}"), markup=False, soft_wrap=True)


def _cells(row: NetworkRow) -> list[str]:
    is_cut = row.measured < row.batch
    about = "~" if is_cut else ""
    batch = f"{row.measured} for {row.batch}" if is_cut else str(row.batch)
    digits = 0 if row.flops >= 1e12 else 1
    return [
        row.name,
        f"{row.parameters / 1e6:.1f} M",
        batch,
        f"{row.flops / 1e9:,.{digits}f}",
        f"{about}{row.seconds:.3g}",
        f"{row.flops / row.seconds / 1e9:,.0f}",
        f"{about}{row.memory / 2**30:.2f}",
    ]


def name_time(seconds: float) -> str:
    """Seconds, minutes, hours or days, whichever suits."""
    for size, name in ((86400, "days"), (3600, "hours"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {name}"
    return f"{seconds:.1f} s"
