"""Speed of sampling on a GPU at 256 and 512 px: of one evaluation, and of whole tiles.

Random weights of the presets' sizes (256 px: `gpu`; 512 px: `paper`, with a vq-f4): only time is
measured. First what one evaluation of the U-Net takes, in float32, in bfloat16 and as our sampler
runs it (bfloat16, channels last, compiled), as the share of the rate of a large matrix product
measured beside it. Then seconds a tile, decoded, of masks with two labels: A, the paper's recipe as
a user of diffusers writes it (DDIM of 200 steps, float32, one tile at a time, all four labels); B,
what a careful user would write (DPM-Solver++ 2M, 20 steps, all four labels together, in batches);
ours: separated conditions, one plain pass, the student's one evaluation, and from a bank. Ratios
are of means over interleaved rounds, with their range. Prints tables, then one JSON line.

    python benchmarks/gpu.py [--tile-px 256 512] [--rounds 3] [--tiles 64]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import tyro
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from plain_diffusers import PREDICTS, SCHEDULE, Plain
from torch.utils.flop_counter import FlopCounterMode
from training import PRESET, measure_ceiling

from disc.cli import prepare_process
from disc.model.autoencoder import Autoencoder, build_vq
from disc.model.denoiser import Denoiser
from disc.presets import PRESETS
from disc.sample.sampler import Sampler
from disc.sample.separated import fuse
from disc.sample.solver import draw_noise
from disc.settings.distillation import Student
from disc.settings.run import Run
from disc.settings.sampling import Sample

STUDENT = Student().solver
Make = Callable[[np.ndarray, list[int]], torch.Tensor]


@dataclass(frozen=True)
class Options:
    """What to run."""

    tile_px: tuple[int, ...] = (256, 512)
    """Sides of tiles; 64 is for trying it out."""
    device: str = "cuda"
    """Where networks run."""
    tiles: int = 64
    """Tiles of each of our ways in a round; baseline A makes one."""
    rounds: int = 3
    """Of timing, after one that is not counted."""
    batch: int = 64
    """Evaluations that are taken together."""
    paper_steps: int = 200
    """Of baseline A."""


@dataclass(frozen=True)
class Way:
    """A way to make `num` tiles: latents, then tiles."""

    make: Make
    decode: Callable[[torch.Tensor], np.ndarray]
    num: int


def wait(device: str) -> None:
    """Until the device has done what it was told."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(call: Callable[[], Any], device: str, times: int) -> float:
    """Seconds a call, after two that are not counted."""
    call(), call()
    wait(device)
    start = time.perf_counter()
    for _ in range(times):
        call()
    wait(device)
    return (time.perf_counter() - start) / times


def measure_evaluation(
    run: Run, options: Options, ceiling: Mapping[str, float], tile_px: int
) -> dict[str, dict[str, float]]:
    """Milliseconds a tile of one evaluation, and its share of the ceiling, by how it is run."""
    device, size = options.device, options.batch
    side = tile_px // 4
    z = torch.randn(size, 3, side, side, device=device)
    t = torch.full((size,), 500, device=device)
    masks = torch.from_numpy(two_labels(size, tile_px)).to(device)
    rows = {}
    for name in ("float32", "bfloat16", "bfloat16, channels last, compiled"):
        denoiser = Denoiser(run.denoiser).to(device).eval()
        precision = name.split(",")[0]
        if "compiled" in name and device == "cuda":
            denoiser.unet.to(memory_format=torch.channels_last)
            denoiser.unet.compile(dynamic=False)
        with (
            torch.inference_mode(),
            torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            condition = denoiser.encode(masks)
            with FlopCounterMode(display=False) as counter:
                if "compiled" not in name:
                    denoiser.predict(z, t, condition)
            flops = counter.get_total_flops() or rows["float32"]["gflop"] * 1e9 * size
            seconds = seconds_of(lambda d=denoiser, c=condition: d.predict(z, t, c), device, 5)
        rows[name] = {
            "ms": 1e3 * seconds / size,
            "gflop": flops / size / 1e9,
            "tflop_s": flops / seconds / 1e12,
            "of_ceiling": flops / seconds / ceiling[precision],
        }
    return rows


def two_labels(num: int, tile_px: int) -> np.ndarray:
    """Masks uint8 [N, H, W] of two labels, one on each side."""
    masks = np.empty((num, tile_px, tile_px), dtype=np.uint8)
    for number, mask in enumerate(masks):
        mask[:, : tile_px // 2] = number % 4
        mask[:, tile_px // 2 :] = (number + 1) % 4
    return masks


def plain_way(
    run: Run, denoiser: Denoiser, autoencoder: Autoencoder, options: Options, *, is_paper: bool
) -> Way:
    """Baseline A, or B."""
    schedule = {**SCHEDULE, "prediction_type": PREDICTS[run.denoiser.predicts]}
    more = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}
    ddim, dpm = DDIMScheduler(**schedule, **more), DPMSolverMultistepScheduler(**schedule)
    plain = Plain(
        unet=denoiser.unet,
        vq=autoencoder.vq,
        encode=denoiser.encode,
        scheduler=ddim if is_paper else dpm,
        steps=options.paper_steps if is_paper else 20,
        shares_batch=not is_paper,
    )
    size = 1 if is_paper else options.batch // 4

    def make(masks: np.ndarray, seeds: list[int]) -> torch.Tensor:
        return plain.fuse_labels(draw_noise(seeds, masks.shape[-1] // 4), torch.from_numpy(masks))

    def decode(latents: torch.Tensor) -> np.ndarray:
        return np.concatenate([plain.decode(part) for part in latents.split(4)])

    return Way(make, decode, size)


def our_ways(
    run: Run, denoiser: Denoiser, autoencoder: Autoencoder, options: Options, tile_px: int
) -> dict[str, Way]:
    """Separated conditions, one pass, one evaluation, and from a bank."""
    fast = replace(
        Sample(),
        batch=options.batch,
        precision="bfloat16",
        channels_last=True,
        compile=True,
    )
    sampler = Sampler(autoencoder, {"sd": denoiser, "sd-disc-fast": denoiser}, fast)
    sampler = replace(sampler, solvers={"sd-disc-fast": STUDENT})
    side = tile_px // 4
    bundles = torch.randn(options.tiles, 4, 3, side, side)

    def make(variant: Any) -> Make:
        return lambda masks, seeds: sampler.draw_latents(variant, masks, seeds)

    def from_bank(masks: np.ndarray, seeds: list[int]) -> torch.Tensor:
        return fuse(bundles[seeds], torch.from_numpy(masks))

    steps = fast.solver.steps
    makes = {
        f"sd-sc, end, {steps} steps": make("sd-sc"),
        f"sd, {steps} steps": make("sd"),
        "sd-disc-fast, 1 evaluation": make("sd-disc-fast"),
        "from a bank": from_bank,
    }
    return {name: Way(way, sampler.decode, options.tiles) for name, way in makes.items()}


def time_way(way: Way, masks: np.ndarray, device: str) -> dict[str, float]:
    """Seconds a tile of the network and of the decoder."""
    wait(device)
    start = time.perf_counter()
    latents = way.make(masks[: way.num], list(range(way.num)))
    wait(device)
    middle = time.perf_counter()
    way.decode(latents)
    end = time.perf_counter()
    return {"network": (middle - start) / way.num, "decoder": (end - middle) / way.num}


def measure_tiles(run: Run, options: Options, tile_px: int) -> dict[str, list[dict[str, float]]]:
    """Seconds a tile by way, round and part."""
    denoiser, plain = (Denoiser(run.denoiser).to(options.device).eval() for _ in "ab")
    ours, theirs = (Autoencoder(build_vq(run.autoencoder)).to(options.device).eval() for _ in "ab")
    ways = {
        f"A: DDIM {options.paper_steps}, diffusers": plain_way(
            run, plain, theirs, options, is_paper=True
        ),
        "B: DPM-Solver++ 20, diffusers": plain_way(run, plain, theirs, options, is_paper=False),
        **our_ways(run, denoiser, ours, options, tile_px),
    }
    masks, found = two_labels(options.tiles, tile_px), {name: [] for name in ways}
    for number in range(options.rounds + 1):
        for name, way in ways.items():
            # A's first round would cost as much as all others together
            if number or not name.startswith("A"):
                parts = time_way(way, masks, options.device)
                found[name] += [parts] if number else []
    return found


def speed_ups(found: Mapping[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """How many times as fast as A and as B each way of ours is: of means, and its range."""
    totals = {name: [sum(parts.values()) for parts in rounds] for name, rounds in found.items()}
    bases = [name for name in totals if name[:2] in ("A:", "B:")]
    return {
        f"{name} / {base[0]}": {
            "ratio": sum(totals[base]) / sum(totals[name]),
            "low": min(totals[base]) / max(totals[name]),
            "high": max(totals[base]) / min(totals[name]),
        }
        for name in totals
        for base in bases
        if name not in bases
    }


def main(options: Options) -> None:
    """Measure; print tables, and one JSON line."""
    prepare_process()
    ceiling = {name: measure_ceiling(options.device, name) for name in ("float32", "bfloat16")}
    where = torch.cuda.get_device_name() if options.device == "cuda" else options.device
    rates = ", ".join(f"{name} {rate / 1e12:.0f} TFLOP/s" for name, rate in ceiling.items())
    print(f"{where}; matrix product: {rates}", flush=True)
    told: dict[str, Any] = {"device": where, "ceiling": ceiling, "sizes": {}}
    for tile_px in options.tile_px:
        run = PRESETS[PRESET[tile_px]]()
        rows = measure_evaluation(run, options, ceiling, tile_px)
        print(f"\n{tile_px} px ({run.name}), one evaluation in batches of {options.batch}")
        for name, row in rows.items():
            print(
                f"{name:36} {row['ms']:8.3f} ms a tile {row['tflop_s']:7.1f} TFLOP/s "
                f"{row['of_ceiling']:5.2f} of the ceiling",
                flush=True,
            )
        found = measure_tiles(run, options, tile_px)
        print("seconds a tile: network, decoder, both")
        for name, rounds in found.items():
            network, decoder = (
                float(np.mean([parts[part] for parts in rounds])) for part in rounds[0]
            )
            print(f"{name:36} {network:9.4f} {decoder:9.4f} {network + decoder:9.4f}", flush=True)
        ratios = speed_ups(found)
        for name, span in ratios.items():
            print(f"{name}: {span['ratio']:.1f} ({span['low']:.1f}-{span['high']:.1f})")
        told["sizes"][tile_px] = {"evaluation": rows, "tiles": found, "speed_up": ratios}
    if options.device == "cuda":
        told["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
    print(json.dumps(told))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
