"""Operations, time and memory of real steps of a network, on this machine; nothing is kept."""

from __future__ import annotations

import ctypes
import gc
import io
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from disc.processes import Share, own_device
from disc.seeds import torch_generator
from disc.settings.training import Optim
from disc.train.checkpoint import State
from disc.train.loop import Batch, Step, train

MAX_STEPS = 6
ENOUGH_SECONDS = 10.0
"""No further step is measured when so much time has passed."""
MAX_CPU_FLOPS = 2e12
"""A step on a CPU is measured with fewer samples if it takes more operations."""


@dataclass(frozen=True)
class Measured:
    """A unit of work.

    Attributes:
        batch: samples that it was measured with.
        seconds: of one unit.
        memory: bytes at its peak.
    """

    batch: int
    seconds: float
    memory: int


def count_operations(work: Callable[[], object]) -> float:
    """Floating-point operations of some work, which may be on the meta device.

    A multiplication and an addition are two; normalisation and other point-wise work is left out.
    """
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def count_step(model: nn.Module, step: Step, batch: Batch) -> float:
    """Operations of one training step, forward and back, of a network on the meta device."""
    optimizer = torch.optim.SGD(model.parameters())
    state = State(model=model, network=model, optimizer=optimizer, ema=None, share=Share())

    def work() -> None:
        torch.autograd.backward(step(state, batch, torch_generator(0, "step"))["loss"])

    return count_operations(work)


def measure_fitting(batch: int, flops: float, measure: Callable[[int], Measured]) -> Measured:
    """Measure with the whole batch, or with as much of it as this machine takes.

    Args:
        batch: samples of a unit.
        flops: operations of one sample; decides how many a CPU gets.
        measure: measures a unit of so many samples.

    Raises:
        torch.OutOfMemoryError: if one sample does not fit.
    """
    if own_device().type == "cpu":
        batch = max(1, min(batch, int(MAX_CPU_FLOPS / flops)))
    while True:
        try:
            return measure(batch)
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
        batch //= 2


def measure_training(
    model: Callable[[], nn.Module], step: Step, batch: Batch, optim: Optim
) -> Measured:
    """A few steps of the real loop, which is left before it writes a checkpoint."""
    clock = _Clock()

    def timed(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        clock.tick(state.step)
        return step(state, batch, generator)

    endless = replace(optim, steps=10**9, checkpoint_every=10**9)
    # A training that is stopped would leave its bar on the screen.
    quiet = redirect_stderr(io.StringIO())
    with _track_memory() as peak, tempfile.TemporaryDirectory() as folder, quiet, suppress(_Enough):
        train(
            model=model(),
            step=timed,
            batch_at=lambda _: batch,
            optim=endless,
            folder=Path(folder),
            seed=0,
        )
    return Measured(len(next(iter(batch.values()))), clock.seconds, peak[0])


def measure_calls(call: Callable[[], object], batch: int) -> Measured:
    """A few calls of the same work on `batch` samples."""
    clock = _Clock()
    with _track_memory() as peak, suppress(_Enough):
        for number in range(MAX_STEPS + 1):
            clock.tick(number)
            call()
    return Measured(batch, clock.seconds, peak[0])


class _Enough(Exception):
    """Enough was measured."""


class _Clock:
    """Times at which units of work began; the first unit warms up, if there is time for more."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def tick(self, number: int) -> None:
        """Unit `number` begins (a step over several batches says so at each of them)."""
        if number < len(self.times):
            return
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())
        elapsed = self.times[-1] - self.times[0]
        if number == MAX_STEPS or (number and elapsed > ENOUGH_SECONDS):
            raise _Enough

    @property
    def seconds(self) -> float:
        """Median of the units that were timed."""
        units = [after - before for before, after in zip(self.times, self.times[1:], strict=False)]
        return statistics.median(units[1:] or units)


@contextmanager
def _track_memory() -> Iterator[list[int]]:
    """Bytes at the peak of what is done inside, beyond what was taken before; known at its end."""
    peak = [0]
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield peak
        peak[0] = torch.cuda.max_memory_allocated() - before
        return
    _reset_peak()
    before = _resident("VmRSS")
    yield peak
    peak[0] = max(0, _resident("VmHWM") - before)


def _reset_peak() -> None:
    """Give memory that is free back to Linux, and let it count the peak from here."""
    if sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def _resident(field: str) -> int:
    """Bytes of this process in memory: now (`VmRSS`) or at the peak (`VmHWM`)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024
