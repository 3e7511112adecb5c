"""Training steps a second: ours against a plain loop as diffusers' examples write it.

The same network, data and batch; a process of its own for each, in turn. "encoding" is the plain
loop that encodes its tiles at every step, "cached" the same on latents; both in float32, with the
default memory format and allocator. "ours" is `disc run`'s, with the preset's settings for the
device; "ours, bf16" the same in bfloat16. Random tiles and weights: only time is measured.
Ratios are of medians, with their minimum and maximum over the rounds. On a machine with other work,
`--clock cpu` and OMP_NUM_THREADS=1 count processor time, which is what a step takes alone.

    python benchmarks/training.py
    python benchmarks/training.py --device cuda --tile-px 512
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

PRESET = {64: "laptop", 128: "laptop", 256: "gpu", 512: "paper"}
WAYS = ("encoding", "cached", "ours", "ours, bf16")
GOAL = {"cpu": {"encoding": 2.0, "cached": 1.1}, "cuda": {"encoding": 3.0, "cached": 1.5}}
WARM = 3
"""Warm-up steps, not counted."""
NUM_TILES = 64
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
now = time.perf_counter


def settings_of(args: argparse.Namespace) -> Any:
    """The preset for a tile size, with the batch size of the options."""
    from disc.presets import PRESETS

    run = PRESETS[PRESET[args.tile_px]]()
    optim = replace(
        run.denoiser.optim,
        steps=WARM + args.steps,
        batch=args.batch or run.denoiser.optim.batch,
        checkpoint_every=10**9,
    )
    if args.way == "ours, bf16":
        optim = replace(optim, precision="bfloat16")
    denoiser = replace(run.denoiser, optim=optim, uniform_fraction=0.0)
    return replace(run, denoiser=denoiser)


def draw_tiles(tile_px: int) -> tuple[Any, Any, Any]:
    """Tiles uint8 [N, 3, H, W], their masks, and latents of their size."""
    import torch

    rng = torch.Generator().manual_seed(0)
    side, small = (tile_px, tile_px), (tile_px // 4, tile_px // 4)
    tiles = torch.randint(0, 256, (NUM_TILES, 3, *side), generator=rng, dtype=torch.uint8)
    masks = torch.randint(0, 4, (NUM_TILES, *side), generator=rng, dtype=torch.uint8)
    return tiles, masks, torch.randn(NUM_TILES, 3, *small, generator=rng)


def train_ours(run: Any, tile_px: int) -> list[float]:
    """Times at which steps of our loop begin."""
    import numpy as np

    from disc.model.denoiser import Denoiser
    from disc.train.latents.latent_set import LatentSet, draw_batches, unknown_slides
    from disc.train.objectives.diffusion import train_denoiser

    _, masks, latents = draw_tiles(tile_px)
    optim, times = run.denoiser.optim, []
    labels, slides = np.full(NUM_TILES, -1), unknown_slides(NUM_TILES)
    tiles = LatentSet(latents[:, None], masks[:, None], labels, slides)
    draw = draw_batches(tiles, batch=optim.batch, uniform_fraction=0.0, seed=0, purpose="benchmark")

    def batch_at(step: int) -> Any:
        times.append(now())
        return draw(step)

    with tempfile.TemporaryDirectory() as folder:
        train_denoiser(Denoiser(run.denoiser), batch_at, optim, Path(folder), 0)
    return times


def train_plain(run: Any, tile_px: int, encodes: bool) -> list[float]:
    """Times at which steps of the plain loop begin."""
    import torch
    from accelerate import Accelerator
    from diffusers.optimization import get_scheduler
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from diffusers.training_utils import EMAModel
    from torch.utils.data import DataLoader, TensorDataset

    from disc.model.autoencoder import build_vq
    from disc.model.denoiser import Denoiser

    optim, accelerator = run.denoiser.optim, Accelerator(cpu=not torch.cuda.is_available())
    tiles, masks, latents = draw_tiles(tile_px)
    data, size = TensorDataset(tiles if encodes else latents, masks), min(optim.batch, NUM_TILES)
    loader = DataLoader(data, batch_size=size, shuffle=True, drop_last=True)
    vq = build_vq(run.autoencoder).to(accelerator.device).requires_grad_(False)
    denoiser = Denoiser(run.denoiser).train()
    ema = EMAModel(denoiser.parameters(), decay=optim.ema)
    adam = torch.optim.AdamW(denoiser.parameters(), lr=optim.lr, weight_decay=optim.weight_decay)
    rate = get_scheduler("constant_with_warmup", adam, num_warmup_steps=optim.warmup)
    denoiser, adam, loader, rate = accelerator.prepare(denoiser, adam, loader, rate)
    ema.to(accelerator.device)
    noises = DDPMScheduler(beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear")

    def step(images: Any, labels: Any) -> float:
        with torch.no_grad():
            z_0 = vq.encode(images / 127.5 - 1).latents if encodes else images
        eps = torch.randn_like(z_0)
        t = torch.randint(0, noises.config.num_train_timesteps, (len(z_0),), device=z_0.device)
        predicted = call_unet(denoiser, noises.add_noise(z_0, eps, t), t, labels)
        target = noises.get_velocity(z_0, eps, t) if run.denoiser.predicts == "v" else eps
        loss = torch.nn.functional.mse_loss(predicted.float(), target.float())
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(denoiser.parameters(), optim.clip)
        adam.step()
        rate.step()
        adam.zero_grad()
        ema.step(denoiser.parameters())
        return float(loss.detach().item())

    return time_steps(step, loader, optim.steps)


def call_unet(denoiser: Any, z_t: Any, t: Any, masks: Any) -> Any:
    """The output of the U-Net."""
    import torch

    condition = denoiser.encode(masks)
    inputs = z_t if condition.planes is None else torch.cat([z_t, condition.planes], 1)
    return denoiser.unet(inputs, t, condition.tokens).sample


def time_steps(step: Callable[..., float], loader: Any, steps: int) -> list[float]:
    """Call a step with the loader's batches over and over."""
    times: list[float] = []
    while True:
        for batch in loader:
            times.append(now())
            if len(times) > steps:
                return times
            step(*batch)


def count_flops(run: Any, tile_px: int, device: str) -> float:
    """Floating point operations of one step's forward and backward pass of the network."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from disc.model.denoiser import Denoiser

    size = min(run.denoiser.optim.batch, 4)  # proportional to the batch
    _, masks, latents = (tensor[:size].to(device) for tensor in draw_tiles(tile_px))
    denoiser = Denoiser(run.denoiser).to(device)
    with FlopCounterMode(display=False) as counter:
        denoiser(latents, torch.full((size,), 500, device=device), masks).sum().backward()
    return counter.get_total_flops() / size * run.denoiser.optim.batch


def measure_ceiling(device: str, precision: str) -> float:
    """Operations a second of a large matrix product: the fastest of libraries and repetitions."""
    import torch

    size = 8192 if device == "cuda" else 1536
    one, two = (torch.randn(size, size, device=device).to(getattr(torch, precision)) for _ in "ab")
    products: list[Callable[[], Any]] = [lambda: one @ two]
    if device == "cpu" and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        # oneDNN's, as convolutions use; on some CPUs the other library is half as fast
        products.append(lambda: torch.ops.mkldnn._linear_pointwise(one, two, None, "none", [], ""))
    best = float("inf")
    for product in products * 8:
        start = now()
        product()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, now() - start)
    return 2 * size**3 / best


def read_status(key: str) -> float:
    """A figure of this process, in GiB."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 2**20


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """One way of training, in this process: seconds a step, memory, and operations."""
    is_ours = args.way.startswith("ours")
    if is_ours:
        from disc.cli import prepare_process

        prepare_process()
    import torch

    run = settings_of(args)
    before = read_status("VmRSS")
    encodes = args.way == "encoding"
    times = train_ours(run, args.tile_px) if is_ours else train_plain(run, args.tile_px, encodes)
    peak = read_status("VmHWM") - before
    if args.device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
    seconds = [after - start for start, after in pairwise(times)][WARM:]
    precision = run.denoiser.optim.precision if is_ours else "float32"
    return {
        "seconds": statistics.median(seconds),
        "peak_gib": peak,
        "gflop": count_flops(run, args.tile_px, args.device) / 1e9,
        "ceiling_gflop_s": measure_ceiling(args.device, precision) / 1e9,
        "batch": run.denoiser.optim.batch,
    }


def in_child(args: argparse.Namespace, way: str, tile_px: int, batch: int) -> dict[str, Any]:
    """`measure` in a process of its own."""
    options = {"way": way, "tile-px": tile_px, "batch": batch, "device": args.device}
    options |= {"steps": args.steps, "clock": args.clock}
    command = [sys.executable, __file__, *(f"--{k}={v}" for k, v in options.items())]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    facts: dict[str, Any] = json.loads(output.splitlines()[-1])
    facts["of_ceiling"] = facts["gflop"] / facts["seconds"] / facts["ceiling_gflop_s"]
    return facts


def show(name: str, facts: dict[str, Any]) -> None:
    """A line of the table."""
    print(
        f"{name:24} {1 / facts['seconds']:8.2f} {facts['batch'] / facts['seconds']:8.1f} "
        f"{facts['of_ceiling']:10.2f} {facts['peak_gib']:9.2f}",
        flush=True,
    )


def compare(found: dict[str, list[dict[str, Any]]], way: str, plain: str) -> dict[str, float]:
    """Speed-up of a way over a plain one: ratio of medians, and its range over rounds."""
    seconds = [[facts["seconds"] for facts in found[name]] for name in (plain, way)]
    each = [before / after for before, after in zip(*seconds, strict=True)]
    ratio = statistics.median(seconds[0]) / statistics.median(seconds[1])
    return {"ratio": ratio, "low": min(each), "high": max(each)}


def main(args: argparse.Namespace) -> None:
    """Compare; print tables, and one JSON line with every figure."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(args.rounds):
        for way in WAYS:
            found[way].append(in_child(args, way, args.tile_px, args.batch))
    head = f"{'':24} {'steps/s':>8} {'tiles/s':>8} {'of ceiling':>10} {'peak GiB':>9}"
    print(f"{PRESET[args.tile_px]}, {args.tile_px} px, {args.device}\n{head}")
    middle = {}
    for way, rounds in found.items():
        middle[way] = sorted(rounds, key=lambda facts: facts["seconds"])[len(rounds) // 2]
        show(way, middle[way])
    ratios = {}
    for way in WAYS[2:]:
        for plain, goal in GOAL[args.device].items():
            ratios[f"{way} / {plain}"] = r = compare(found, way, plain)
            span = f"{r['low']:.2f}-{r['high']:.2f}"
            print(f"{way} / {plain}: {r['ratio']:.2f} ({span}); goal {goal}")
    grid, batch = {}, middle["ours"]["batch"]
    print(f"ours by tile and batch\n{head}")
    for tile_px in [px for px in (args.tile_px, args.tile_px * 2) if px in PRESET]:
        for size in (batch // 4, batch):
            name = f"{tile_px} px, batch {size}"
            if PRESET[tile_px] == PRESET[args.tile_px]:
                grid[name] = in_child(args, "ours", tile_px, size)
                show(name, grid[name])
    print(json.dumps({"speed_up": ratios, "ways": middle, "grid": grid, "device": args.device}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--tile-px", type=int, choices=tuple(PRESET), default=64)
    parser.add_argument("--batch", type=int, default=0, help="0: the preset's")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall")
    parser.add_argument("--way", choices=WAYS, default=None, help="measure one, in this process")
    chosen = parser.parse_args()
    now = CLOCKS[chosen.clock]
    if chosen.way is None:
        main(chosen)
    else:
        print(json.dumps(measure(chosen)))
