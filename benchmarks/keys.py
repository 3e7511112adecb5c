"""What keeping the keys and values of conditions over the steps of a sampling would save.

diffusers' U-Net computes them anew from the condition's tokens in every pass. Takes the networks
that presets describe, with random weights (time does not depend on them), and compares passes of a
batch as they are with passes in which every cross-attention is given the keys and values of the
first pass, which is checked to give the same output. Counts the share of the arithmetic that is
saved, and times interleaved rounds; prints a table, then one JSON line of ratios with 95 %
intervals over rounds.

    python benchmarks/keys.py [--presets laptop gpu] [--rounds 8]
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import tyro
from timing import CLOCKS, ratio
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from disc import presets
from disc.cli import prepare_process
from disc.model.denoiser import Denoiser
from disc.model.latent_shape import LATENT_CHANNELS, LATENT_FACTOR


@dataclass(frozen=True)
class Options:
    """What to time."""

    presets: tuple[Literal["laptop", "phantom", "gpu", "paper"], ...] = ("laptop", "phantom", "gpu")
    """Whose networks, at their tiles' size."""
    batch: int = 32
    """Tiles a pass of 64 px; fewer of larger tiles, so that a pass has as many pixels."""
    passes: int = 4
    """In a round."""
    rounds: int = 8
    """Of each way, in turn."""
    clock: Literal["wall", "cpu"] = "cpu"
    """Of the wall on a quiet machine, else of the processor."""


class Kept(nn.Module):
    """Gives what a layer gave the first time it was asked."""

    def __init__(self, layer: nn.Module) -> None:
        """Of a layer that is always asked the same."""
        super().__init__()
        self.layer = layer
        self.found: Any = None

    def forward(self, tokens: torch.Tensor) -> Any:
        """What it gave."""
        if self.found is None:
            self.found = self.layer(tokens)
        return self.found


@contextmanager
def keep_keys(unet: nn.Module) -> Iterator[None]:
    """Cross-attentions that compute keys and values once, for the one condition of the block."""
    places = [
        (module, name)
        for place, module in unet.named_modules()
        if place.endswith("attn2")
        for name in ("to_k", "to_v")
    ]
    for module, name in places:
        setattr(module, name, Kept(getattr(module, name)))
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, getattr(module, name).layer)


@torch.no_grad()
def time_preset(name: str, options: Options) -> dict[str, Any]:
    """Seconds a pass as it is, and with keys and values kept, by round."""
    run = getattr(presets, name)()
    side = run.data.tile_px
    denoiser = Denoiser(run.denoiser).eval()
    batch = max(1, options.batch * 64 * 64 // side**2)
    z_t = torch.randn(batch, LATENT_CHANNELS, side // LATENT_FACTOR, side // LATENT_FACTOR)
    masks = (torch.arange(batch) % 4).to(torch.uint8)[:, None, None].expand(batch, side, side)
    condition, t = denoiser.encode(masks), torch.full((batch,), 500)

    def count_operations() -> int:
        with FlopCounterMode(display=False) as counter:
            denoiser.predict(z_t, t, condition)
        return int(counter.get_total_flops())

    def run_passes() -> float:
        start = CLOCKS[options.clock]()
        for _ in range(options.passes):
            denoiser.predict(z_t, t, condition)
        return (CLOCKS[options.clock]() - start) / options.passes

    plain, kept = [], []
    before, all_operations = denoiser.predict(z_t, t, condition), count_operations()
    for _ in range(options.rounds):
        plain.append(run_passes())
        with keep_keys(denoiser.unet):
            after, operations = denoiser.predict(z_t, t, condition), count_operations()
            kept.append(run_passes())
    assert torch.equal(before, after), f"{name}: kept keys and values give another output"
    seconds = sum(plain) / len(plain)
    return {
        "tile_px": side,
        "batch": batch,
        "seconds": seconds,
        "saved": 1 - operations / all_operations,
        "ratio": ratio(plain, kept),
    }


def main() -> None:
    """Time every preset's network."""
    prepare_process()
    torch.set_num_threads(1)
    options = tyro.cli(Options)
    found = {name: time_preset(name, options) for name in options.presets}
    for name, row in found.items():
        middle, low, high = (row["ratio"][end] for end in ("value", "low", "high"))
        print(
            f"{name}, {row['batch']} x {row['tile_px']} px: {1000 * row['seconds']:.0f} ms a pass; "
            f"with keys and values kept {100 * row['saved']:.2f} % less arithmetic, "
            f"{middle:.3f} [{low:.3f}, {high:.3f}] times as fast"
        )
    print(json.dumps({"keys": found}))


if __name__ == "__main__":
    main()
