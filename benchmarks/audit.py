"""What an audit costs: encoders beside a bare loop of forward passes, and time over tiles.

First the embedded encoder and the fixed filters, in batches, over a bare loop that only runs the
network on batches that are ready: the ratio of tiles a second, geometric mean over alternating
rounds with its 95 % interval. Then whole audits without files of N real beside N synthetic tiles of
64 px, for each N given; what is printed was measured, and nothing is extrapolated. Training the
segmenters is not in it, since that does not grow with N.

By the wall clock or, where others use the machine, in seconds of its processors, of all threads
together.

    python benchmarks/audit.py [--sizes 1000 2000] [--rounds 5] [--clock processor]
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))

import numpy as np
import torch
import tyro
from scipy import ndimage
from timing import ratio

from disc.audit.copies.new import measure_copies
from disc.audit.encoders import BATCH, View, encode, texture
from disc.audit.look.nearness import measure_nearness
from disc.audit.look.tissue import measure_look
from disc.audit.seams.steps import measure_seams
from disc.audit.sets import AuditSet, hold_arrays
from disc.cli import prepare_process
from disc.evaluate.referee import referee_features
from disc.grade.carcino import CarcinoNet
from disc.grade.pixels import CHUNK
from disc.settings.grading import CarcinoNet as Settings

GOAL = 0.85
"""Of the tiles a second of the bare loop."""
PX = 64
Clock = Callable[[], float]


@dataclass(frozen=True)
class Options:
    """What to run."""

    sizes: tuple[int, ...] = (500, 1000, 2000)
    """Tiles of each set of the audits."""
    clock: Literal["wall", "processor"] = "wall"
    """What time is."""
    rounds: int = 5
    """Of the encoders."""
    tiles: int = 512
    """That encoders take in a round."""

    @property
    def now(self) -> Clock:
        """The clock."""
        return time.perf_counter if self.clock == "wall" else time.process_time


def draw_tiles(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stained noise and masks of two labels, to be timed on."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(num, PX, PX)), (0, 1.5, 1.5))
    light = 255 * 10 ** -(0.3 + 0.3 * noise[..., None] * (1.0, 1.3, 0.8)).clip(0.01, 1.5)
    masks = np.zeros((num, PX, PX), np.uint8)
    masks[:, :, PX // 2 :] = rng.integers(1, 4, num)[:, None, None]
    return light.astype(np.uint8), masks


@torch.no_grad()
def loop(
    network: Callable[[torch.Tensor], object], images: np.ndarray, batch: int, now: Clock
) -> float:
    """Seconds of forward passes alone, on batches that are ready."""
    ready = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    batches = [part.contiguous() for part in ready.split(batch)]
    start = now()
    for part in batches:
        network(part)
    return now() - start


def time_encoders(options: Options) -> dict[str, dict[str, float]]:
    """Tiles a second of our encoders over those of the bare loop."""
    images, net = draw_tiles(options.tiles, 0)[0], CarcinoNet(Settings(width=16)).eval()
    ways: dict[str, tuple[Callable[[], object], Callable[[], float]]] = {
        "embedded": (
            lambda: referee_features(net, images),
            lambda: loop(net.encode, images, CHUNK, options.now),
        ),
        "texture": (
            lambda: encode(texture, images),
            lambda: loop(texture, images, BATCH, options.now),
        ),
    }
    found = {}
    for name, (ours, bare) in ways.items():
        seconds: list[tuple[float, float]] = []
        for number in range(options.rounds + 1):
            start = options.now()
            ours()
            pair = options.now() - start, bare()
            # the first round warms up
            seconds += [pair] if number else []
        found[name] = ratio([pair[1] for pair in seconds], [pair[0] for pair in seconds])
    return found


def time_audit(num: int, now: Clock) -> dict[str, float]:
    """Seconds of each part of an audit of N x N tiles."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> object:
        start = now()
        value = work()
        seconds[name] = now() - start
        return value

    owners = [f"P{i * 20 // num}" for i in range(num)]
    held: list[AuditSet] = []
    for seed, name in ((1, "real"), (2, "synthetic")):
        images, masks = draw_tiles(num, seed)
        held.append(
            timed(f"facts, {name}", lambda: hold_arrays(name, images, masks, owners, 4.0))  # type: ignore[arg-type]  # noqa: B023
        )
    real, made = held
    net = CarcinoNet(Settings(width=16)).eval()
    features = timed(
        "encoder", lambda: [referee_features(net, part.images) for part in (real, made)]
    )
    view = View(np.arange(num), *features)  # type: ignore[misc]
    timed("distances", lambda: measure_nearness("embedded", [view], real, made, seed=0))
    timed("copies", lambda: measure_copies(real, made, seed=0))
    timed("look", lambda: measure_look(real, made, seed=0))
    timed("seams", lambda: measure_seams(real, made))
    return {**seconds, "all": sum(seconds.values())}


def main() -> None:
    """Time encoders, then audits."""
    options = tyro.cli(Options, description=__doc__)
    prepare_process()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    encoders = time_encoders(options)
    for name, found in encoders.items():
        said = "met" if found["value"] >= GOAL else "not met"
        span = f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
        print(f"{name}: {span} of the bare loop's tiles a second; goal {GOAL}: {said}")
    audits = {}
    for num in options.sizes:
        audits[num] = time_audit(num, options.now)
        parts = ", ".join(f"{name} {value:.1f}" for name, value in audits[num].items())
        print(f"{num:,} x {num:,} tiles of {PX} px, seconds: {parts}", flush=True)
    threads = torch.get_num_threads()
    print(
        json.dumps(
            {"encoders": encoders, "seconds": audits, "threads": threads, "clock": options.clock}
        )
    )


if __name__ == "__main__":
    main()
