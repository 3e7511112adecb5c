"""Training steps beside busy neighbours: how thread settings cost when alone and when not.

Each setting trains the laptop preset's autoencoder in a process of its own, on the same cores as
none, one and two processes that compute without a pause. What counts is the ratio of steps a second
to those of the default on quiet cores, geometric mean over interleaved rounds; `fair` is what is
left of the cores if every process gets its part. A setting is good if it costs under 10 % on quiet
cores and stays near fair on busy ones. About a minute a round and setting on two quiet cores; a
machine that others use says nothing about quiet cores, and the benchmark says so.

    python benchmarks/neighbours.py --cores 0 1 --rounds 3
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
from contextlib import contextmanager

from disc.pipeline.dry_run.load import BUSY, measure_others

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "spin 100000": {"GOMP_SPINCOUNT": "100000"},
    "spin 10000": {"GOMP_SPINCOUNT": "10000"},
    "spin 1000": {"GOMP_SPINCOUNT": "1000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
NEIGHBOURS = (0, 1, 2)
BATCH = 8
BUSY_LOOP = "while True: pass"


def count_steps(seconds: float) -> float:
    """Steps a second of the laptop's autoencoder, forward and backward; in the child."""
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
    start, num = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        num += 1
    return num / (time.perf_counter() - start)


@contextmanager
def neighbours(num: int, cores: Sequence[int]) -> Iterator[None]:
    """So many processes that compute all the time, dealt out to the cores."""
    started = []
    for number in range(num):
        child = subprocess.Popen([sys.executable, "-c", BUSY_LOOP])
        os.sched_setaffinity(child.pid, {cores[number % len(cores)]})
        started.append(child)
    try:
        yield
    finally:
        for child in started:
            child.kill()
            child.wait()


def measure(name: str, num: int, cores: Sequence[int], seconds: float) -> float:
    """Steps a second of a setting beside so many neighbours."""
    threads = {"OMP_NUM_THREADS": str(len(cores))} | SETTINGS[name]
    environment = {**os.environ, **threads}
    pinned = f"import os; os.sched_setaffinity(0, {set(cores)!r})"
    code = f"{pinned}; from neighbours import count_steps; print(count_steps({seconds}))"
    words = [sys.executable, "-c", code]
    folder = os.path.dirname(os.path.abspath(__file__))
    environment["PYTHONPATH"] = f"{folder}:{os.path.dirname(folder)}"
    with neighbours(num, cores):
        done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def mean_ratio(values: Sequence[float], bases: Sequence[float]) -> dict[str, float]:
    """Geometric mean over rounds, minimum and maximum."""
    ratios = [value / base for value, base in zip(values, bases, strict=True)]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return {"ratio": mean, "low": min(ratios), "high": max(ratios)}


def main() -> None:
    """Compare; print a table, and one JSON line with every ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0))[:2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    asked = parser.parse_args()
    names = ["default", *[name for name in asked.settings if name != "default"]]
    others, _ = measure_others(2.0)
    rates: dict[tuple[str, int], list[float]] = {(n, k): [] for n in names for k in NEIGHBOURS}
    for _ in range(asked.rounds):
        for name, num in rates:
            rates[name, num].append(measure(name, num, asked.cores, asked.seconds))
    base, found = rates["default", 0], {}
    print(f"{'setting':14} {'neighbours':>10} {'steps/s':>8} {'ratio':>6}  min-max      fair")
    for (name, num), values in rates.items():
        fair = len(asked.cores) / (len(asked.cores) + num)
        row = {**mean_ratio(values, base), "fair": fair}
        found[f"{name}, {num}"] = row
        shown = f"{sum(values) / len(values):8.2f} {row['ratio']:6.2f}"
        print(f"{name:14} {num:10} {shown}  {row['low']:.2f}-{row['high']:.2f}  {fair:8.2f}")
    if others >= BUSY:
        print(f"others took {others:.1f} cores before it began: this is not a quiet machine")
    print(json.dumps({"neighbours": found, "cores": len(asked.cores), "others": others}))


if __name__ == "__main__":
    main()
