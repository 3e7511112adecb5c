"""A student of few evaluations: what it should be taught on, and what each choice is worth.

Takes finished runs, one a training of everything (`disc run laptop --seed 1 --name laptop-1` makes
another), and trains students of the weights of their `sd`: on the bundles' own noise with 200, 600
and 2,000 bundles, on fresh noise, on tiles that the plan `step` made (each serves one mask; as many
as the same number of evaluations gives), without a discriminator, and at the noisiest time step
alone, where one evaluation takes place; the first and the control also for longer. All are
asked for the same masks, of several labels (those of test slides, and those that synthesis asks
for) and of one, from the same noise, beside `sd`, `sd-sc` and `sd-disc`. Prints the primary measure
with its paired differences (and what marks that to `sd-sc`: agreement is blind to blur), kernel
distance to real tiles through the autoencoder, standard deviation of latents, gradient energy over
that of these tiles, seams, with 95 % intervals over trainings and slides (of one training: slides
alone); then one JSON line. About 40 minutes a run on one quiet thread; stopped, the same command
goes on.

    python benchmarks/student.py runs/laptop runs/laptop-1 runs/laptop-2 [--out runs/student]
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import safetensors.torch
import torch
import tyro
from side_by_side import (
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
from disc.files import BadInput, write_bytes
from disc.model.store import read_tensors
from disc.pipeline.context import Context
from disc.pipeline.stages.student import teach_student, train_student
from disc.sample.bank import CHUNK, Bank
from disc.sample.cost import count_evaluations
from disc.sample.plans import Plan
from disc.sample.sampler import Sampler
from disc.sample.shards import open_shard
from disc.sample.solver import draw_noise
from disc.seeds import derive, numpy_generator
from disc.train.diagnose import Batch, NamedBatches
from disc.train.draws import NUM_DIHEDRAL, epoch_indices
from disc.train.latents.latent_set import unknown_slides
from disc.train.objectives.student import student_batches, turn_each

Teaching = Literal["paired", "unpaired", "step-made", "no-discriminator", "noisiest"]
PLAIN = "no-discriminator"
OTHERWISE: dict[str, dict[str, Any]] = {
    "unpaired": {"paired_noise": False},
    PLAIN: {"discriminator_weight": 0.0},
    "noisiest": {"visited": (999,), "visited_weights": (1.0,), "visited_fraction": 1.0},
}
"""Settings of a student that is taught otherwise."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs on the same data, each with other weights."""
    out: Path = Path("runs/student")
    """Folder of banks, students and readings."""
    bundles: tuple[int, ...] = (200, 600, 2000)
    """Sizes of the bank for paired students."""
    control: int = 600
    """Size of the bank for the unpaired one, and whose evaluations the plan `step` may spend."""
    evaluations: tuple[int, ...] = (1, 2, 4, 15)
    """By the solver of the run's student."""
    steps: int = 400
    """Steps of a student."""
    rate: float | None = None
    """Learning rate of the students; None: the runs'."""
    teachings: tuple[Teaching, ...] = ("unpaired", "step-made", PLAIN, "noisiest")
    """Other ways to teach, on the bank `control`."""
    long_steps: int = 1421
    """Steps of the longer students; 0: none."""
    long_teachings: tuple[Teaching, ...] = ("paired", "unpaired")
    """How they are taught."""
    masks: int = 240
    """Masks of each set of several labels, and a quarter as many of one."""


@dataclass(frozen=True)
class Kind:
    """What a student is taught on, and for how long."""

    teaching: Teaching
    bundles: int
    steps: int

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.teaching} {self.bundles}, {self.steps} steps"


@dataclass(frozen=True)
class Pairs:
    """Tiles of the plan `step`, each made for one mask.

    Attributes:
        latents: float [N, 3, h, w].
        masks: uint8 [N, H, W].
        seeds: of the noise that they were denoised from.
    """

    latents: torch.Tensor
    masks: torch.Tensor
    seeds: list[int]

    def batches(self, batch: int, seed: int) -> NamedBatches:
        """What a student learns from, as of `student_batches`."""

        def batch_at(step: int) -> Batch:
            rng = numpy_generator(seed, "pairs", "turned", step)
            versions = rng.integers(NUM_DIHEDRAL, size=batch).tolist()
            found = indices_at(step)
            chosen = torch.from_numpy(found)
            noise = draw_noise([self.seeds[i] for i in found], self.latents.shape[-1])
            parts = {"latents": self.latents[chosen], "masks": self.masks[chosen], "noise": noise}
            turned = {name: turn_each(part, versions) for name, part in parts.items()}
            return {**turned, "slides": unknown_slides(batch)}

        def indices_at(step: int) -> np.ndarray:
            return epoch_indices(
                len(self.seeds), step=step, batch=batch, seed=seed, purpose="pairs"
            )

        return NamedBatches(batch_at, lambda step: [f"pair {i}" for i in indices_at(step)])


def make_bank(context: Context, folder: Path, num: int) -> Bank:
    """Bundles of the run's `sd`; whole shards of its own bank, of the same seeds, are copied."""
    for shard in sorted((context.folder / "bank").glob("bundles_*.safetensors")):
        found = open_shard(shard)
        is_whole = found.facts is not None and len(found.seeds) == CHUNK
        if is_whole and not (folder / shard.name).exists():
            write_bytes(folder / shard.name, shard.read_bytes())
    return fill_own(context, folder, num, context.run.seed)


def make_pairs(context: Context, bank: Bank, num: int, path: Path) -> Pairs:
    """Tiles of the plan `step` for the evaluations of the network that `num` bundles take."""
    solver, schedule = context.run.sample.solver, context.denoiser("sd").schedule
    budget = num * len(bank.labels) * len(schedule.time_steps(solver))
    batch_at = student_batches(
        bank, context.book.shapes, batch=CHUNK, seed=context.run.seed, purpose="pairs"
    )
    drawn = torch.cat([batch_at(step)["masks"] for step in range(ceil(3 * num / CHUNK))])
    costs = count_evaluations(drawn.numpy(), Plan(name="step"), schedule, solver)
    count = int(np.searchsorted(np.cumsum(costs), budget, side="right"))
    masks, seeds = drawn[:count], [derive(context.run.seed, "pair", i) for i in range(count)]
    if not path.exists():
        sampler = Sampler(context.autoencoder, {"sd": context.denoiser("sd")}, context.run.sample)
        latents = sampler.draw_latents("sd-sc", masks.numpy(), seeds, plan=Plan(name="step"))
        write_bytes(path, safetensors.torch.save({"latents": latents}))
    return Pairs(read_tensors(path)["latents"], masks, seeds)


def list_kinds(options: Options) -> list[Kind]:
    """Every student of a run."""
    kinds = [Kind("paired", num, options.steps) for num in options.bundles]
    kinds += [Kind(name, options.control, options.steps) for name in options.teachings]
    if options.long_steps:
        kinds += [Kind(n, options.control, options.long_steps) for n in options.long_teachings]
    return kinds


def train_students(context: Context, out: Path, options: Options) -> dict[str, Path]:
    """Every student of a run, by name; one that is there is kept."""
    # whole shards, so that a larger bank goes on from a smaller one
    most = CHUNK * ceil(max(*options.bundles, options.control) / CHUNK)
    bank = make_bank(context, out / "bank", most)
    folders = {}
    for kind in list_kinds(options):
        folder = folders[kind.name] = out / kind.name
        student = replace(context.run.distil.student, **OTHERWISE.get(kind.teaching, {}))
        rate = options.rate or student.optim.lr
        student = replace(student, optim=replace(student.optim, steps=kind.steps, lr=rate))
        if (folder / "student.json").exists():
            if json.loads((folder / "student.json").read_bytes())["settings"] != repr(student):
                raise BadInput(f"{folder}: taught with other settings; give another --out")
            continue
        run = replace(context.run, distil=replace(context.run.distil, student=student))
        own, start = Context(run, context.folder), time.perf_counter()
        if kind.teaching == "step-made":
            pairs = make_pairs(
                context, bank, kind.bundles, out / f"pairs {kind.bundles}.safetensors"
            )
            batch_at = pairs.batches(student.optim.batch, run.seed)
            what = teach_student(own, batch_at, folder, f"{len(pairs.seeds)} tiles of plan step")
        else:
            part = bank.first(kind.bundles)
            what = train_student(own, part, folder)
        print(f"{folder}: {what}, {time.perf_counter() - start:.0f} s", flush=True)
        facts = {"what": what, "settings": repr(student)}
        write_bytes(folder / "student.json", json.dumps(facts).encode())
    return folders


def list_readings(
    context: Context, students: dict[str, Path], options: Options
) -> Iterator[Reading]:
    """The run's variants as they are sampled there, then everything in few evaluations."""
    folder, own = context.folder / "denoiser", context.run.sample.solver
    yield Reading("sd", folder / "sd", own)
    yield Reading("sd-sc", folder / "sd", own, "sd-sc")
    yield Reading("sd-disc", folder / "sd-disc", context.run.solver_of("sd-disc"))
    few_steps = context.run.distil.student.solver
    few = {"sd": folder / "sd", "sd-disc": folder / "sd-disc", **students}
    for name, place in few.items():
        for num in options.evaluations:
            yield Reading(name, place, replace(few_steps, steps=num))


def compare(options: Options) -> tuple[pd.DataFrame, list[str]]:
    """Train and read everything in every run.

    Returns:
        A row a set of masks and reading, and what its differences are to.
    """
    readings, real = dict[str, list[pd.DataFrame]](), []
    draw = partial(draw_masks, num=options.masks)
    for context, asked in open_runs(options.runs, draw):
        out = own_folder(options.out, context)
        students = train_students(context, out, options)
        real.append(read_real(context, asked, out / f"masks {options.masks}"))
        for reading in list_readings(context, students, options):
            own = out if reading.name not in students else reading.folder
            path = own / f"masks {options.masks}" / f"{reading.title}.parquet"
            table = read(context, reading, asked, path)
            readings.setdefault(reading.title, []).append(table)
    plain = next((title for title in readings if title.startswith(PLAIN)), None)
    bases = {PLAIN: plain} if plain else {}
    bases |= dict(zip(("sd", "sd-sc"), readings, strict=False))
    return summarise(readings, real, asked, bases), list(bases)


def main() -> None:
    """Train, read, print a table for people, and one JSON line with every number."""
    prepare_process()
    options = tyro.cli(Options)
    show(*compare(options), "student")


if __name__ == "__main__":
    main()
