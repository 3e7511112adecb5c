"""Seconds a tile of several ways to make tiles, in interleaved rounds, and of two processes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
import torch

from disc.data.tiles.names import format_name
from disc.data.writing.set_writer import SetWriter
from disc.files import write_bytes

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PARTS = ("network", "around it", "decoder", "writing")
Seconds = dict[str, dict[str, float]]
"""Of a tile, by way and part."""


@dataclass(frozen=True)
class Way:
    """A way to make tiles.

    Attributes:
        make: latents [B, 3, h, w] of masks uint8 [B, H, W] and seeds.
        decode: tiles uint8 [B, H, W, 3] of latents.
        num: tiles that are made in a round.
        batch: tiles that are made together.
        unet: whose share of the time is told apart; None: there is none in it.
    """

    make: Callable[[np.ndarray, list[int]], torch.Tensor]
    decode: Callable[[torch.Tensor], np.ndarray]
    num: int
    batch: int
    unet: Any = None


@dataclass
class Watch:
    """Seconds spent in the forward pass of a network, which is put back afterwards."""

    network: Any
    clock: Callable[[], float]
    seconds: float = 0.0

    def __enter__(self) -> Watch:
        """Watch it."""
        if self.network is not None:
            forward = self.network.forward

            def watched(*args: Any, **kwargs: Any) -> Any:
                start = self.clock()
                result = forward(*args, **kwargs)
                self.seconds += self.clock() - start
                return result

            self.network.forward = watched
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if self.network is not None:
            del self.network.forward


def time_way(
    way: Way, masks: np.ndarray, seeds: list[int], clock: Callable[[], float]
) -> dict[str, float]:
    """Seconds a tile, by part."""
    latents_seconds, decoder_seconds = 0.0, 0.0
    with Watch(way.unet, clock) as watch:
        for start in range(0, len(masks), way.batch):
            chosen = slice(start, start + way.batch)
            begin = clock()
            latents = way.make(masks[chosen], seeds[chosen])
            middle = clock()
            way.decode(latents)
            latents_seconds += middle - begin
            decoder_seconds += clock() - middle
    around = latents_seconds - watch.seconds
    parts = dict(zip(PARTS, (watch.seconds, around, decoder_seconds), strict=False))
    return {name: seconds / len(masks) for name, seconds in parts.items()}


def time_writing(tiles: np.ndarray, masks: np.ndarray, clock: Callable[[], float]) -> float:
    """Seconds a tile of writing its image and mask as synthesis does."""
    with tempfile.TemporaryDirectory() as folder:
        writer, start = SetWriter(Path(folder)), clock()
        for number, (image, mask) in enumerate(zip(tiles, masks, strict=False)):
            writer.add(format_name("S00N0000", (0, number), number, 0), image, mask)
        return (clock() - start) / len(tiles)


def time_rounds(
    ways: Mapping[str, Way],
    tiles: np.ndarray,
    masks: np.ndarray,
    folder: Path,
    *,
    num: int,
    clock: str,
) -> list[Seconds]:
    """Seconds of every way in every round, one after the other; rounds that stand are kept.

    Args:
        ways: by name.
        tiles: uint8 [M, H, W, 3], M <= N, which are written.
        masks: uint8 [N, H, W]; each way makes the first of them, over and over if need be.
        folder: of the rounds' files.
        num: of rounds.
        clock: a name in `CLOCKS`.
    """
    now, rounds, is_warm = CLOCKS[clock], [], False
    for number in range(num):
        path = folder / f"round {number} {clock}.json"
        found = json.loads(path.read_bytes()) if path.exists() else {}
        if set(found) == set(ways):
            rounds.append(found)
            continue
        if not is_warm:
            short = {name: replace(way, num=8) for name, way in ways.items() if way.num > 8}
            _time_all(short, masks, now)
        is_warm = True
        writing = {PARTS[-1]: time_writing(tiles, masks, now)}
        found = {name: parts | writing for name, parts in _time_all(ways, masks, now).items()}
        rounds.append(found)
        write_bytes(path, json.dumps(rounds[-1]).encode())
        print(f"round {number + 1} of {num}", flush=True)
    return rounds


def _time_all(ways: Mapping[str, Way], masks: np.ndarray, clock: Callable[[], float]) -> Seconds:
    seconds = {}
    for name, way in ways.items():
        chosen = np.resize(masks, (way.num, *masks.shape[1:]))
        seconds[name] = time_way(way, chosen, list(range(way.num)), clock)
    return seconds


def made(seconds: Mapping[str, float]) -> float:
    """Seconds until a tile is made; writing it is not in it."""
    return sum(value for name, value in seconds.items() if name != PARTS[-1])


def ratio(base: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """How many times as fast the other is: geometric mean over rounds, with its 95 % t interval."""
    logs = np.log(np.asarray(base) / np.asarray(other))
    half = np.nan
    if len(logs) > 1:
        quantile = scipy.stats.t.ppf(0.975, len(logs) - 1)
        half = float(quantile * logs.std(ddof=1) / np.sqrt(len(logs)))
    mean = float(logs.mean())
    ends = {"value": mean, "low": mean - half, "high": mean + half}
    return {name: float(np.exp(value)) for name, value in ends.items()}


def time_processes(folder: Path, tiles: int, rounds: int) -> dict[str, float]:
    """How many times as many tiles a second two processes of one thread make as one does."""
    alone, together = [], []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for number in range(rounds + 1):
            one = _span([pool.submit(_sample, folder, tiles)])
            two = _span([pool.submit(_sample, folder, tiles) for _ in range(2)])
            # the first round loads the networks
            if number:
                alone.append(one)
                together.append(two / 2)
    return ratio(alone, together)


def _span(futures: Sequence[Any]) -> float:
    starts, ends = zip(*[future.result() for future in futures], strict=True)
    return float(max(ends) - min(starts))


def _sample(folder: Path, tiles: int) -> tuple[float, float]:
    """When a process began to make tiles, and when it had; of one clock for all processes."""
    model, masks = _load(folder)
    chosen = np.resize(masks, (tiles, *masks.shape[1:]))
    start = time.time()
    model.sample(chosen)
    return start, time.time()


@cache
def _load(folder: Path) -> Any:
    import disc

    torch.set_num_threads(1)
    model = disc.load(folder)
    masks = model.recipe(4, 5)
    model.sample(masks[:2])
    return model, masks
