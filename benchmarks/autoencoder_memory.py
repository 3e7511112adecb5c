"""Memory of vq-f4 for one 512 px tile beyond its weights: ours, diffusers', with plain attention.

Ours computes distances to the codebook in chunks, and uses fused attention. "diffusers" is its
VQModel unchanged; "plain attention" the same with its plain attention processor. Random weights of
vq-f4's shape, no gradients; every figure is the peak resident memory of a process of its own, less
what it held after loading the weights and processing a small tile. GiB; Linux only. Takes minutes:
1.8 TFLOP to encode a tile and 3.1 to decode it.

    python benchmarks/autoencoder_memory.py [side in px]
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from disc.settings.autoencoder import Autoencoder

WAYS = ("ours", "diffusers", "plain attention")
PARTS = ("encode", "decode")
LIMIT_GIB = 1.2


def build(way: str) -> Any:
    """vq-f4 with random weights, in one of the ways."""
    from diffusers.models.attention_processor import Attention, AttnProcessor
    from diffusers.models.autoencoders.vae import VectorQuantizer

    from disc.model.autoencoder import build_vq

    settings = Autoencoder(channels=(128, 256, 512), layers=2, num_codes=8192)
    vq = build_vq(settings, groups=32).eval()
    if way != "ours":
        vq.quantize = VectorQuantizer(8192, 3, beta=0.25)
    for module in vq.modules():
        if isinstance(module, Attention) and way == "diffusers":
            module.set_processor(Attention(query_dim=64).processor)
        elif isinstance(module, Attention) and way == "plain attention":
            module.set_processor(AttnProcessor())
    return vq


def read_status(key: str) -> float:
    """A figure of this process, in GiB."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 2**20


def measure_peak(way: str, part: str, side: int) -> dict[str, float]:
    """Peak memory of this process over its weights for one tile, and what the weights take."""
    import torch

    vq = build(way)
    inputs = {"encode": torch.rand(1, 3, side, side) * 2 - 1}
    inputs["decode"] = torch.randn(1, 3, side // 4, side // 4)
    call = getattr(vq, part)
    with torch.no_grad():
        call(inputs[part][..., :32, :32])
        before = read_status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        call(inputs[part])
        peak = read_status("VmHWM") - before
    weights = sum(value.numel() for value in vq.parameters()) * 4 / 2**30
    return {"peak": peak, "weights": weights}


def main(side: int) -> None:
    """Measure; print a table, and one JSON line with every figure."""
    peaks: dict[str, dict[str, float]] = {}
    print(f"{'GiB beyond the weights':24} {'encode':>8} {'decode':>8}", flush=True)
    for way in WAYS:
        peaks[way] = {}
        for part in PARTS:
            command = [sys.executable, __file__, str(side), way, part]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            facts = json.loads(output)
            peaks[way][part] = facts["peak"]
        line = " ".join(f"{peaks[way][part]:8.2f}" for part in PARTS)
        print(f"{way:24} {line}", flush=True)
    worst = max(peaks["ours"].values())
    weights = f"the weights take {facts['weights']:.2f}"
    print(f"{weights}; the maximum of ours is {worst:.2f}, limit {LIMIT_GIB}")
    print(json.dumps({"side_px": side, "peak_gib": peaks, "limit_gib": LIMIT_GIB}))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure_peak(sys.argv[2], sys.argv[3], int(sys.argv[1]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 512)
