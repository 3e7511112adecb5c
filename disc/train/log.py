"""The log of a training: a line of JSON every few steps, and a bar with the time left."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from disc.files import append_line, read_bytes, write_bytes
from disc.progress import Bar
from disc.records.typed import parse_record, stands
from disc.train.tensorboard import EventWriter, Measurements

EVERY = 25


@dataclass(frozen=True)
class _Line:
    """What every line of a log says, beside what was measured."""

    step: int


class Log:
    """log.jsonl of a training folder; on resume, lines after the checkpoint are removed."""

    def __init__(
        self, folder: Path, total: int, *, start: int, shown: bool, has_events: bool = False
    ) -> None:
        """Open the log at step `start`, and TensorBoard's events if they are asked for."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.jsonl"
        self.step = start
        self.has_advanced = False
        self._shown = shown
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0
        self._since = time.perf_counter()
        if shown and stands(self.path):
            write_bytes(self.path, _kept_lines(self.path, start).encode())
        self._events = EventWriter(folder, start) if shown and has_events else None
        self._bar = Bar(folder.name, total=total, unit="step", start=start, shown=shown)

    def advance(self, metrics: Mapping[str, torch.Tensor]) -> None:
        """Count one step and its metrics."""
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, torch.zeros(())) + value.detach().cpu()
        self.step += 1
        self._count += 1
        self.has_advanced = True
        self._bar.advance(note=f"loss {float(self._sums['loss']) / self._count:.4g}")
        if self.step % EVERY == 0:
            self._write()

    def add_measurements(self, measured: Measurements, seconds: float) -> None:
        """A line on what hooks measured, and the seconds they took; images go to TensorBoard."""
        self._since += seconds
        values = {k: float(v) for k, v in measured.items() if not isinstance(v, np.ndarray)}
        self._append({**values, "seconds": round(seconds, 3)}, measured)

    def close(self) -> None:
        """Write what is left and end the bar."""
        if self._count:
            self._write()
        self._bar.close()
        if self._events is not None:
            self._events.close()

    def _write(self) -> None:
        elapsed = time.perf_counter() - self._since
        means = {name: float(total) / self._count for name, total in self._sums.items()}
        values = {**means, "steps_per_s": round(self._count / elapsed, 3)}
        self._sums, self._count, self._since = {}, 0, time.perf_counter()
        self._append(values, values)

    def _append(
        self,
        values: Mapping[str, float],
        events: Measurements,
    ) -> None:
        if self._shown:
            append_line(self.path, json.dumps({"step": self.step, **values}))
        if self._events is not None:
            self._events.add(self.step, events)


def _kept_lines(path: Path, start: int) -> str:
    """Lines up to step `start`; a killed process may have left the last one incomplete.

    Raises:
        BadInput: if another line is no record of a step.
    """
    kept, lines = [], read_bytes(path).decode(errors="backslashreplace").split("\n")
    for number, line in enumerate(lines, 1):
        if number == len(lines) and not line.endswith("}"):
            break
        remedy = f"line {number}; delete the file, which nothing depends on"
        if parse_record(path, line.encode(), _Line, remedy).step <= start:
            kept.append(f"{line}\n")
    return "".join(kept)
