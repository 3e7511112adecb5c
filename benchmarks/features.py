"""Features of slides as `disc` makes them, against a bare forward loop over decoded tiles.

Ours decodes the JPEGs of listed tiles, reads each slide with the network that did not see it,
describes what it reads and writes an HDF5 a slide; the bare loop runs the same network over tiles
that lie decoded in memory, in batches as large, and does nothing else. The embedded encoder as the
preset `laptop` has it, untrained; processor time, rounds taken in turn. About a minute.

    python benchmarks/features.py
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.stats
import torch

from disc.data.readers.sicapv2 import read_set
from disc.grade.carcino import build_carcino
from disc.grade.encoder import CrossEncoder, encode_slides
from disc.grade.pixels import CHUNK
from disc.grade.pool import to_channels_first
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.presets import laptop
from disc.progress import no_progress


def main() -> None:
    """Print seconds a round, and the ratio with its interval as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--slides", type=int, default=1, help="of each grade, twice")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place, no_progress():
        root = Path(place)
        draw_set(PhantomRequest(out=root / "set", slides=(options.slides,) * 4, um_per_px=6.0))
        facts = compare(root, options.rounds)
    print(json.dumps(facts))


def compare(root: Path, rounds: int) -> dict[str, float]:
    """Speed of ours over that of the bare loop: geometric mean over rounds, 95 % interval."""
    tiles = read_set(root / "set", 64)
    net = build_carcino(laptop().grade.carcino).eval()
    encoder = CrossEncoder((net, net), {})
    decoded = [tiles.image(index) for index in range(len(tiles))]

    def ours(number: int) -> None:
        encode_slides(encoder, tiles, root / f"features {number}")

    @torch.no_grad()
    def bare(_: int) -> None:
        for start in range(0, len(decoded), CHUNK):
            net(to_channels_first(decoded[start : start + CHUNK]) / 255)

    ratios = []
    for number in range(rounds + 1):
        slow, fast = clock(ours, number), clock(bare, number)
        if number:  # the first round warms up
            ratios.append(math.log(fast / slow))
            print(f"{len(tiles)} tiles: ours {slow:.2f} s, bare {fast:.2f} s", flush=True)
    half = float(scipy.stats.sem(ratios) * scipy.stats.t.ppf(0.975, rounds - 1))
    middle = float(np.mean(ratios))
    low, high = math.exp(middle - half), math.exp(middle + half)
    return {"ratio": math.exp(middle), "low": low, "high": high}


def clock(work: Callable[[int], None], number: int) -> float:
    """Seconds of processor time."""
    since = time.process_time()
    work(number)
    return time.process_time() - since


if __name__ == "__main__":
    main()
