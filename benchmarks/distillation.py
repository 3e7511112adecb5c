"""Why plain DISC (Eq. 3) wavers: how much of its loss can be learned, and what helps.

Takes finished runs, one a training of everything, and distils each anew from its `sd` and its bank:
as the paper says with other batches and noise (how much the distillation alone varies), four times
as long, on masks as synthesis asks for them, with min-SNR weights, and with more of the high noise.
Prints first the squared error of the velocity on latents of new bundles, fused by masks of test
slides and noised afresh, in five bands of noise: of `sd`, of everything distilled, and of the
student, which knows the bundle's own noise at the last time step. What the longest distillation
leaves is a bound on the share that cannot be learned. Then mask agreement and texture of all, as
`plans.py` has them, and one JSON line. About 25 minutes a run on one quiet thread; stopped, the
same command goes on.

    python benchmarks/distillation.py runs/laptop runs/laptop-1 [--out runs/distillation]
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
import tyro
from side_by_side import (
    SETS,
    Asked,
    Reading,
    draw_masks,
    fill_own,
    open_runs,
    own_folder,
    read,
    read_real,
    show,
    summarise,
)

from disc.cli import prepare_process
from disc.files import write_bytes
from disc.masks.shapes import label_shape
from disc.model.denoiser import Denoiser
from disc.model.schedule import NUM_STEPS
from disc.pipeline.context import Context
from disc.pipeline.stages.denoiser import finish, train_and_save
from disc.processes import own_device
from disc.sample.bank import Bank, read_bank
from disc.sample.separated import fuse
from disc.seeds import numpy_generator, torch_generator
from disc.settings.synthesis import STUDENT
from disc.train.checkpoint import State
from disc.train.diagnose import Batch, NamedBatches, Step
from disc.train.latents.latent_set import unknown_slides
from disc.train.objectives.diffusion import eps_step, train_denoiser
from disc.train.objectives.distil import deal_bundles, distil_batches, name_bundles

NUM_BANDS = 5
HIGH = NUM_STEPS // 2
"""From this time step on, noise is high."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs on the same data, each with other weights."""
    out: Path = Path("runs/distillation")
    """Folder of distilled denoisers and readings."""
    steps: int | None = None
    """Steps of all but the longest; None: the runs'."""
    longer: int = 4
    """How many times as long the longest is distilled."""
    min_snr_gamma: float = 5.0
    """Of the min-SNR weights."""
    unseen: int = 96
    """New bundles that losses are measured on."""
    masks: int = 240
    """Masks of each set of several labels, and a quarter as many of one."""


@dataclass(frozen=True)
class Kind:
    """A way of distilling; the defaults are the run's."""

    name: str
    times: int = 1
    seed: int = 0
    masks_of_synthesis: bool = False
    min_snr_gamma: float = 0.0
    step: Step = eps_step


def high_noise_step(
    state: State, batch: Batch, generator: torch.Generator
) -> Mapping[str, torch.Tensor]:
    """The loss of Eq. (3), three quarters of whose time steps are of the noisier half."""
    network = state.network
    assert isinstance(network, Denoiser)
    z_0 = batch["latents"].float()
    t = torch.randint(HIGH, (len(z_0),), generator=generator)
    t += HIGH * (torch.rand(len(z_0), generator=generator) < 0.75)
    t, eps = (drawn.to(z_0.device) for drawn in (t, torch.randn(z_0.shape, generator=generator)))
    predicted = state.model(network.schedule.add_noise(z_0, eps, t), t, batch["masks"])
    errors = (predicted - network.target(z_0, eps, t)).square()
    return {"loss": (errors * network.weigh_losses(t)).mean()}


def list_kinds(options: Options) -> list[Kind]:
    """Every way of distilling."""
    return [
        Kind("Eq. 3, other batches", seed=1000),
        Kind(f"Eq. 3, {options.longer} times as long", times=options.longer),
        Kind("masks of synthesis", masks_of_synthesis=True),
        Kind(f"min-SNR {options.min_snr_gamma:g}", min_snr_gamma=options.min_snr_gamma),
        Kind("high noise", step=high_noise_step),
    ]


def synthesis_batches(context: Context, bank: Bank, batch: int) -> NamedBatches:
    """Bundles fused under masks that the run's synthetic slides ask for."""
    run, book = context.run, context.book
    tiles = [tile for plan in context.recipes for tile in plan.tiles]
    bundles_at = deal_bundles(bank, batch=batch, seed=run.seed, purpose="masks of synthesis")

    def batch_at(step: int) -> Batch:
        rng = numpy_generator(run.seed, "masks of synthesis", step)
        chosen = [tiles[i] for i in rng.integers(len(tiles), size=batch)]
        masks = [label_shape(book.shapes[tile.shape], tile.labels) for tile in chosen]
        targets = torch.from_numpy(np.stack(masks))
        fused = fuse(bank.take(bundles_at(step)), targets)
        return {"latents": fused, "masks": targets, "slides": unknown_slides(batch)}

    return NamedBatches(batch_at, lambda step: name_bundles(bundles_at(step)))


def distil_all(context: Context, out: Path, options: Options) -> dict[str, Path]:
    """Distil a run in every way, by name; what is there is kept."""
    bank = read_bank(context.folder / "bank")
    folders = {}
    for kind in list_kinds(options):
        folder = folders[kind.name] = out / kind.name
        if (folder / "distilled.json").exists():
            continue
        run = replace(context.run, seed=context.run.seed + kind.seed)
        own = Context(run, context.folder)
        steps = options.steps or run.distil.optim.steps
        optim = replace(run.distil.optim, steps=kind.times * steps)
        if kind.masks_of_synthesis:
            batch_at = synthesis_batches(own, bank, optim.batch)
        else:
            shapes = context.book.shapes
            batch_at = distil_batches(
                bank, shapes, batch=optim.batch, seed=run.seed, purpose="sd-disc"
            )
        denoiser = context.denoiser("sd")
        denoiser.min_snr_gamma = kind.min_snr_gamma
        train = partial(train_denoiser, step=kind.step)
        train_and_save(own, folder, denoiser, batch_at, optim, train=train)
        what = finish(own, folder, context.split.train, f"{optim.steps} steps")
        print(f"{folder}: {what}", flush=True)
        write_bytes(folder / "distilled.json", json.dumps({"what": what}).encode())
    return folders


def measure_losses(
    context: Context, folders: Mapping[str, Path], asked: Asked, unseen: Bank
) -> dict[str, list[float]]:
    """Squared error of the velocity by band of time steps, and at the last with the own noise."""
    masks = torch.from_numpy(asked.masks[asked.sets == SETS[0]])
    bundles = [i % len(unseen.seeds) for i in range(len(masks))]
    z_0, own = fuse(unseen.take(bundles), masks), unseen.draw_noise(bundles)
    losses = {}
    for name, folder in folders.items():
        denoiser = Denoiser.load(folder, context.run.denoiser).eval().to(own_device())
        found = []
        for band in range(NUM_BANDS + 1):
            generator = torch_generator(0, "losses", band)
            size = NUM_STEPS // NUM_BANDS
            t = band * size + torch.randint(size, (len(z_0),), generator=generator)
            eps = torch.randn(z_0.shape, generator=generator)
            if band == NUM_BANDS:
                t = torch.full_like(t, NUM_STEPS - 1)
                # the noise with which z_t is z_T itself, as where sampling starts
                eps = denoiser.schedule.noise_in(own, z_0, t)
            found.append(squared_error(denoiser, z_0, masks, eps, t))
        losses[name] = found
    return losses


@torch.no_grad()
def squared_error(
    denoiser: Denoiser, z_0: torch.Tensor, masks: torch.Tensor, eps: torch.Tensor, t: torch.Tensor
) -> float:
    """Mean of || v - v_theta(z_t, t, tau(m)) ||^2."""
    total = 0.0
    device = next(denoiser.parameters()).device
    for chosen in torch.split(torch.arange(len(z_0)), 64):
        z, own, noise, time = (part[chosen].to(device) for part in (z_0, masks, eps, t))
        predicted = denoiser(denoiser.schedule.add_noise(z, noise, time), time, own)
        errors = (predicted - denoiser.target(z, noise, time)).square()
        # a network that predicts velocities answers with the noise that they mean
        total += float((errors * denoiser.weigh_losses(time)).sum())
    return total / z_0.numel()


def list_readings(context: Context, distilled: Mapping[str, Path]) -> Iterator[Reading]:
    """Every denoiser, sampled as the run does."""
    folder, solver = context.folder / "denoiser", context.run.sample.solver
    yield Reading("sd", folder / "sd", solver)
    yield Reading("sd-sc", folder / "sd", solver, "sd-sc")
    for name in ("sd-disc", "sd-disc-cotrain"):
        yield Reading(name, folder / name, context.run.solver_of(name))
    for name, place in distilled.items():
        yield Reading(name, place, context.run.solver_of("sd-disc"))


def compare(options: Options) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Losses of every run, and a row a set of masks and reading."""
    readings, real, losses = dict[str, list[pd.DataFrame]](), [], []
    draw = partial(draw_masks, num=options.masks)
    for context, asked in open_runs(options.runs, draw):
        out = own_folder(options.out, context)
        distilled = distil_all(context, out, options)
        # other noise than the bank's
        seed = context.run.seed + 1_000_000
        unseen = fill_own(context, out / "unseen", options.unseen, seed)
        folder = context.folder
        own = {name: folder / "denoiser" / name for name in ("sd", "sd-disc", STUDENT)}
        own = {name: path for name, path in own.items() if (path / "done.json").exists()}
        found = measure_losses(context, own | distilled, asked, unseen)
        losses += [{"run": folder.name, "name": name, "losses": row} for name, row in found.items()]
        real.append(read_real(context, asked, out / f"masks {options.masks}"))
        for reading in list_readings(context, distilled):
            path = out / f"masks {options.masks}" / f"{reading.title}.parquet"
            readings.setdefault(reading.title, []).append(read(context, reading, asked, path))
    bases = dict(zip(("sd", "sd-sc"), readings, strict=False))
    return pd.DataFrame(losses), summarise(readings, real, asked, bases)


def tell_losses(losses: pd.DataFrame) -> None:
    """Print the losses of every run, a row a denoiser."""
    size = NUM_STEPS // NUM_BANDS
    names = [f"t {size * band}-{size * (band + 1) - 1}" for band in range(NUM_BANDS)]
    columns = [*names, f"t {NUM_STEPS - 1}, own noise"]
    table = pd.DataFrame(losses["losses"].tolist(), columns=columns)
    print(pd.concat([losses[["run", "name"]], table.round(4)], axis=1).to_string(index=False))


def main() -> None:
    """Distil, read, print tables for people, and one JSON line with every number."""
    prepare_process()
    losses, table = compare(tyro.cli(Options))
    tell_losses(losses)
    show(table, ("sd", "sd-sc"), "distillation", losses=losses.to_dict("records"))


if __name__ == "__main__":
    main()
