"""Training steps with glibc's default allocator, against the setting that the command uses.

By default glibc returns large blocks to the system and requests them again at the next step. The
command tells it to keep them (`disc.cli.prepare_process`). Child processes, alternating; seconds a
step, and the ratio of the medians with its minimum and maximum over rounds. About two minutes.

    python benchmarks/allocator.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from functools import partial

NETWORKS = ("autoencoder", "denoiser", "carcino")
ROUNDS = 3
STEPS = 4


def time_steps(network: str) -> list[float]:
    """Seconds of some steps, forward and backward, of a network of the laptop preset."""
    import torch

    from disc.grade.carcino import CarcinoNet
    from disc.model.autoencoder import build_vq
    from disc.model.denoiser import Denoiser
    from disc.presets import laptop

    run, tiles = laptop(), torch.rand(32, 3, 64, 64)
    if network == "autoencoder":
        vq = build_vq(run.autoencoder)
        forward = partial(lambda x: vq.decode(vq.encode(x).latents, True).sample, tiles)
    elif network == "denoiser":
        denoiser = Denoiser(run.denoiser)
        z, t = torch.randn(32, 3, 16, 16), torch.full((32,), 500)
        forward = partial(denoiser, z, t, torch.zeros(32, 64, 64, dtype=torch.uint8))
    else:
        forward = partial(CarcinoNet(run.grade.carcino), tiles)
    seconds = []
    for _ in range(STEPS + 2):
        start = time.perf_counter()
        forward().square().mean().backward()
        seconds.append(time.perf_counter() - start)
    return seconds[2:]


def in_child(network: str, is_set: bool) -> float:
    """Median seconds a step, in a process of its own."""
    command = [sys.executable, __file__, network, str(int(is_set))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return statistics.median(json.loads(output))


def main() -> None:
    """Compare; print a table, and one JSON line with every ratio."""
    ratios = {}
    print(f"{'network':12} {'default':>12} {'kept':>8} {'ratio':>6}  min-max")
    for network in NETWORKS:
        plain, kept = [], []
        for _ in range(ROUNDS):
            plain.append(in_child(network, False))
            kept.append(in_child(network, True))
        each = [before / after for before, after in zip(plain, kept, strict=True)]
        ratio = statistics.median(plain) / statistics.median(kept)
        ratios[network] = {"ratio": ratio, "low": min(each), "high": max(each)}
        seconds = f"{statistics.median(plain):11.3f}s {statistics.median(kept):7.3f}s"
        print(f"{network:12} {seconds} {ratio:6.2f}  {min(each):.2f}-{max(each):.2f}", flush=True)
    print(json.dumps({"speed_up": ratios}))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        if sys.argv[2] == "1":
            from disc.cli import prepare_process

            prepare_process()
        print(json.dumps(time_steps(sys.argv[1])))
    else:
        main()
