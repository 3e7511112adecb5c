"""Training steps beside busy neighbours: how thread settings cost when alone and when not.

Each setting trains the laptop preset's autoencoder in a process of its own, in turns of a few
seconds, on the same cores as none, one and two processes that compute without a pause. `ratio` is
steps a second over those of the first setting in the same round, beside as many neighbours,
geometric mean over rounds; `of quiet` is over those of the first setting beside none, and `fair`
what is left of the cores if every process gets its part. A setting is good if it costs under 10 %
on quiet cores and stays near fair on busy ones. Turns in which other processes took more than a
fifth of a core do not count; the table says how many were left.

    python benchmarks/neighbours.py --cores 0 1 --rounds 5
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from disc.busy import BUSY, busy_cores, read_ticks

SETTINGS: dict[str, dict[str, str]] = {
    "libgomp's": {"GOMP_SPINCOUNT": "300000"},
    "spin 30000": {"GOMP_SPINCOUNT": "30000"},
    "spin 10000": {"GOMP_SPINCOUNT": "10000"},
    "spin 3000": {"GOMP_SPINCOUNT": "3000"},
    "spin 1000": {"GOMP_SPINCOUNT": "1000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "3 threads": {"OMP_NUM_THREADS": "3"},
    "4 threads": {"OMP_NUM_THREADS": "4"},
}
"""libgomp, torch's OpenMP, waits for 300,000 turns of a loop by default; set here, since disc sets
another number."""
BATCH = 8
BUSY_LOOP = "while True: pass"


def train_when_asked() -> None:
    """In the child: for every line with a number of seconds, train so long and print the rate."""
    from disc.cli import prepare_process

    prepare_process()
    import torch

    from disc.model.autoencoder import build_vq
    from disc.presets import laptop

    vq, tiles = build_vq(laptop().autoencoder), torch.rand(BATCH, 3, 64, 64)
    optimizer = torch.optim.AdamW(vq.parameters())

    def step() -> None:
        (vq.decode(vq.encode(tiles).latents, True).sample - tiles).abs().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    print("ready", flush=True)
    for line in sys.stdin:
        step()
        start, used, num = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - start < float(line):
            step()
            num += 1
        seconds = time.perf_counter() - start
        print(num / seconds, (time.process_time() - used) / seconds, flush=True)


class Turn(NamedTuple):
    """A turn of training."""

    rate: float
    """Steps a second."""
    others: float
    """Cores that processes took which are not the benchmark's."""


class Trainer:
    """A process that trains under a setting when it is asked to, and sleeps in between."""

    def __init__(self, setting: str, cores: Sequence[int]) -> None:
        threads = {"OMP_NUM_THREADS": str(len(cores))} | SETTINGS[setting]
        folder = Path(__file__).resolve().parent
        path = f"{folder}:{folder.parent}"
        pinned = f"import os; os.sched_setaffinity(0, {set(cores)!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"{pinned}; import neighbours as n; n.train_when_asked()"],
            env={**os.environ, **threads, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("a process that trains did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def train(self, seconds: float) -> tuple[float, float]:
        """Steps a second, and the cores that they took."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        rate, cores = self._process.stdout.readline().split()
        return float(rate), float(cores)


@contextmanager
def neighbours(num: int, cores: Sequence[int]) -> Iterator[list[int]]:
    """So many processes that compute all the time, dealt out to the cores; their numbers."""
    started = []
    for number in range(num):
        child = subprocess.Popen([sys.executable, "-c", BUSY_LOOP])
        os.sched_setaffinity(child.pid, {cores[number % len(cores)]})
        started.append(child)
    try:
        yield [child.pid for child in started]
    finally:
        for child in started:
            child.kill()
            child.wait()


def seconds_of(numbers: Sequence[int]) -> float:
    """Processor time that processes have used so far."""
    texts = [Path(f"/proc/{number}/stat").read_text() for number in numbers]
    ticks = [sum(map(int, text.rpartition(")")[2].split()[11:13])) for text in texts]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def measure(trainer: Trainer, numbers: Sequence[int], seconds: float) -> Turn:
    """A turn beside neighbours of these numbers."""
    ticks, used, start = read_ticks(), seconds_of(numbers), time.perf_counter()
    rate, own = trainer.train(seconds)
    theirs = (seconds_of(numbers) - used) / (time.perf_counter() - start)
    return Turn(rate, busy_cores(ticks, read_ticks()) - own - theirs)


def mean_ratio(values: Sequence[float], bases: Sequence[float]) -> dict[str, float]:
    """Geometric mean over rounds, minimum and maximum."""
    ratios = [value / base for value, base in zip(values, bases, strict=True)]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return {"ratio": mean, "low": min(ratios), "high": max(ratios)}


def compare(turns: Sequence[Turn], bases: Sequence[Turn], others: float) -> dict[str, Any]:
    """Ratios of the turns that others left alone, as were those they are held against."""
    pairs = [
        (a.rate, b.rate)
        for a, b in zip(turns, bases, strict=True)
        if max(a.others, b.others) < others
    ]
    if not pairs:
        return {"ratio": None, "low": None, "high": None, "turns": 0}
    values, others_values = zip(*pairs, strict=True)
    return {**mean_ratio(values, others_values), "turns": len(pairs)}


def main() -> None:
    """Compare; print a table, and one JSON line with every ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0))[:2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--others", type=float, default=BUSY, help="cores that others may take")
    asked = parser.parse_args()
    os.sched_setaffinity(0, asked.cores)
    turns: dict[tuple[str, int], list[Turn]] = {
        (name, num): [] for num in asked.neighbours for name in asked.settings
    }
    with ExitStack() as stack:
        trainers = {
            name: stack.enter_context(Trainer(name, asked.cores)) for name in asked.settings
        }
        for _ in range(asked.rounds):
            for num in asked.neighbours:
                with neighbours(num, asked.cores) as numbers:
                    for name, trainer in trainers.items():
                        turns[name, num].append(measure(trainer, numbers, asked.seconds))
    show(turns, asked)


def show(turns: dict[tuple[str, int], list[Turn]], asked: argparse.Namespace) -> None:
    """The table and the JSON line."""
    first, found = asked.settings[0], {}
    print(f"{'setting':14} neighbours  steps/s  ratio  min-max    of quiet  fair  turns")
    for (name, num), values in turns.items():
        row = compare(values, turns[first, num], asked.others)
        quiet = compare(values, turns.get((first, 0), values), asked.others)["ratio"]
        row |= {"of quiet": quiet, "fair": len(asked.cores) / (len(asked.cores) + num)}
        found[f"{name}, {num}"] = row
        mean = sum(turn.rate for turn in values) / len(values)
        shown = {key: "-" if value is None else f"{value:.2f}" for key, value in row.items()}
        print(
            f"{name:14} {num:10} {mean:8.2f} {shown['ratio']:>6}  {shown['low']}-{shown['high']} "
            f"{shown['of quiet']:>11} {shown['fair']:>5} {row['turns']:6}"
        )
    taken = [turn.others for values in turns.values() for turn in values]
    others = sum(taken) / len(taken)
    if others >= BUSY:
        print(f"others took {others:.1f} cores: this is not a quiet machine")
    print(json.dumps({"neighbours": found, "cores": len(asked.cores), "others": others}))


if __name__ == "__main__":
    main()
