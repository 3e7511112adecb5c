"""A student of few evaluations: paired against unpaired noise, size of the bank, evaluations.

Takes finished runs, one a training of everything (`disc run laptop --seed 1 --name demo-1` makes
another), and trains students of the weights of their `sd`: on the bundles' own noise with 200, 600
and 2,000 bundles, and on fresh noise at the same cost. All are asked for the same masks, of several
labels (those of test slides, and those that synthesis asks for) and of one, from the same noise,
beside `sd`, `sd-sc` and `sd-disc`. Prints the primary measure with its paired differences (and what
marks that to `sd-sc`: agreement is blind to blur), kernel distance to real tiles through the
autoencoder, standard deviation of latents, gradient energy over that of these tiles, seams, with
95 % intervals over trainings and slides (of one training: slides alone); then one JSON line. About
45 minutes a run on one quiet thread; stopped, the same command goes on.

    python benchmarks/student.py runs/demo runs/demo-1 runs/demo-2 [--out runs/student]
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
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import tyro

from disc.cli import prepare_process
from disc.evaluate.agreement import measure_tiles
from disc.evaluate.marks import find_marks
from disc.evaluate.readings import describe_tiles, summarise_readings
from disc.evaluate.referee import read_tiles
from disc.files import BadInput, write_bytes, write_parquet
from disc.model.denoiser import Denoiser
from disc.model.store import hash_weights, read_tensors
from disc.pipeline.config_file import read_config
from disc.pipeline.context import Context
from disc.pipeline.evaluation_masks import draw_synthesis_masks, draw_targets
from disc.pipeline.galleries import hang, hang_real
from disc.pipeline.stages.referee import load_referee
from disc.pipeline.stages.student import train_student
from disc.sample.bank import CHUNK, Bank, fill_bank, read_bank
from disc.sample.sampler import Sampler
from disc.sample.solver import name_solver
from disc.sample.synthesis import collect_shapes, plan_slides
from disc.seeds import derive
from disc.settings.sampling import Solver
from disc.settings.synthesis import Variant

DRAWS = 2000
KID_LOW = "kid_to_sd-sc_low"
SETS = ("test slides", "synthesis", "one label")


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
    """Size of the bank for the unpaired one."""
    evaluations: tuple[int, ...] = (1, 2, 4, 15)
    """By DDIM, trailing."""
    seeds: int = 1
    """Students of each kind a run, trained with other batches and noise."""
    steps: int | None = None
    """Steps of a student; None: those of its settings."""
    masks: int = 320
    """Masks of each set of several labels, and a quarter as many of one."""


@dataclass(frozen=True)
class Asked:
    """The masks that everything is asked for, and the noise; the same in every training."""

    masks: np.ndarray
    slides: list[str]
    sets: np.ndarray

    @property
    def seeds(self) -> list[int]:
        """Of the noise, one a mask."""
        return [derive(0, "asked", i) for i in range(len(self.masks))]


@dataclass(frozen=True)
class Reading:
    """A network and how it is sampled."""

    name: str
    folder: Path
    solver: Solver
    variant: Variant = "sd"

    @property
    def title(self) -> str:
        """What tables call it."""
        return f"{self.name}, {name_solver(self.solver)}"


def open_run(folder: Path) -> Context:
    """A finished run."""
    if not (folder / "denoiser" / "sd-disc" / "done.json").exists():
        raise BadInput(f"{folder}: no finished run; disc run makes one")
    run = read_config(folder / "config.json")
    return Context(replace(run, out=folder.parent, name=folder.name), folder)


def draw_masks(context: Context, num: int) -> Asked:
    """Masks of test slides' shapes, those that synthesis asks for, and of one label."""
    run, known = context.run, context.latents.known()
    draw = partial(draw_targets, collect_shapes(context.split.test), known)
    px = run.data.tile_px
    test = draw(replace(run.evaluate, num_uniform=0, num_mixed=num), 0, px)
    one = draw(replace(run.evaluate, num_uniform=num // 4, num_mixed=0), 0, px)
    slides = list(context.split.train.slides.values())
    plans = plan_slides(slides, context.book, known, run.synthesis)
    parts = [test, draw_synthesis_masks(plans, context.book, num, 0), one]
    names = [name for name, part in zip(SETS, parts, strict=True) for _ in part[0]]
    everything = [slide for part in parts for slide in part[1]]
    return Asked(np.concatenate([part[0] for part in parts]), everything, np.array(names))


def make_bank(context: Context, folder: Path, num: int) -> Bank:
    """Bundles of the run's `sd`; whole shards of its own bank, of the same seeds, are copied."""
    for shard in sorted((context.folder / "bank").glob("bundles_*.safetensors")):
        is_whole = len(read_tensors(shard)["seeds"]) == CHUNK
        if is_whole and not (folder / shard.name).exists():
            write_bytes(folder / shard.name, shard.read_bytes())
    run = context.run
    facts = {"labels": context.latents.known(), "latent_px": run.data.tile_px // 4}
    fill_bank(context.denoiser("sd"), folder, run.sample, num=num, seed=run.seed, **facts)
    return read_bank(folder)


def train_students(context: Context, out: Path, options: Options, index: int) -> dict[str, Path]:
    """Every student of a run, by name; one that is there is kept."""
    # whole shards, so that a larger bank goes on from a smaller one
    most = CHUNK * ceil(max(*options.bundles, options.control) / CHUNK)
    bank = make_bank(context, out / "bank", most)
    kinds = {f"paired {num}": (num, True) for num in options.bundles}
    kinds[f"unpaired {options.control}"] = (options.control, False)
    folders = {}
    for name, (num, is_paired) in kinds.items():
        student = replace(context.run.distil.student, paired_noise=is_paired)
        steps = student.optim.steps if options.steps is None else options.steps
        student = replace(student, optim=replace(student.optim, steps=steps))
        folder = folders[name] = out / f"{name} seed {index} steps {steps}"
        if not (folder / "student.json").exists():
            run = replace(context.run, seed=context.run.seed + 1000 * index)
            own = Context(replace(run, distil=replace(run.distil, student=student)), context.folder)
            part = Bank(bank.latents[:num], bank.seeds[:num], bank.labels)
            start = time.perf_counter()
            what = train_student(own, part, folder)
            print(f"{folder}: {what}, {time.perf_counter() - start:.0f} s", flush=True)
            write_bytes(folder / "student.json", json.dumps({"what": what}).encode())
    return folders


def list_readings(
    context: Context, students: dict[str, Path], options: Options
) -> Iterator[Reading]:
    """The run's variants as they are sampled there, then everything in few evaluations."""
    folder, own = context.folder / "denoiser", context.run.sample.solver
    yield Reading("sd", folder / "sd", own)
    yield Reading("sd-sc", folder / "sd", own, "sd-sc")
    yield Reading("sd-disc", folder / "sd-disc", own)
    few = {"sd": folder / "sd", "sd-disc": folder / "sd-disc", **students}
    for name, place in few.items():
        for num in options.evaluations:
            yield Reading(name, place, Solver(name="ddim", steps=num, spacing="trailing"))


def read(context: Context, reading: Reading, targets: Asked, path: Path) -> pd.DataFrame:
    """What the referee reads in the tiles of a network, and how they look; a row a mask."""
    if path.exists():
        return pd.read_parquet(path)
    run, start = context.run, time.perf_counter()
    nets: dict[Variant, Denoiser] = {"sd": Denoiser.load(reading.folder, run.denoiser)}
    sampler = Sampler(context.autoencoder, nets, replace(run.sample, solver=reading.solver))
    latents = sampler.draw_latents(reading.variant, targets.masks, targets.seeds)
    images = sampler.decode(latents)
    seconds = (time.perf_counter() - start) / len(images)
    referee = load_referee(context)
    columns = measure_tiles(targets.masks, read_tiles(referee, images))
    columns |= describe_tiles(hang(referee, images, targets.masks, targets.slides))
    moments = {"latent_mean": latents, "latent_square": latents.square()}
    columns |= {name: part.mean(dim=(1, 2, 3)).numpy() for name, part in moments.items()}
    table = pd.DataFrame(columns).assign(seconds=seconds, steps=reading.solver.steps)
    write_parquet(path, table)
    print(f"{path.parent.name}: {reading.title}: {1000 * seconds:.0f} ms a tile", flush=True)
    return table


def read_real(context: Context, targets: Asked, folder: Path) -> dict[str, pd.DataFrame]:
    """Real tiles of the labels of each set of masks, through the autoencoder."""
    found = {}
    for name in SETS:
        path = folder / f"real {name}.parquet"
        if not path.exists():
            masks = targets.masks[targets.sets == name]
            gallery = hang_real(context, load_referee(context), masks)["reconstruction"]
            write_parquet(
                path, pd.DataFrame(describe_tiles(gallery)).assign(slide=list(gallery.slides))
            )
        found[name] = pd.read_parquet(path)
    return found


def compare(options: Options) -> pd.DataFrame:
    """Train and read everything in every run; a row a set of masks and reading."""
    targets, readings, real = None, dict[str, list[pd.DataFrame]](), []
    for folder in options.runs:
        context = open_run(folder)
        out = options.out / f"{folder.name} {hash_weights(context.denoiser('sd'))[:8]}"
        drawn = draw_masks(context, options.masks)
        targets = targets or drawn
        if not np.array_equal(targets.masks, drawn.masks):
            raise BadInput(f"{folder}: other data, or labels, than {options.runs[0]}")
        for index in range(options.seeds):
            students = train_students(context, out, options, index)
            real.append(read_real(context, targets, out / f"masks {options.masks}"))
            for reading in list_readings(context, students, options):
                own = out if reading.name not in students else reading.folder
                path = own / f"masks {options.masks}" / f"{reading.title}.parquet"
                table = read(context, reading, targets, path)
                readings.setdefault(reading.title, []).append(table)
    bases, parts = dict(zip(("sd", "sd-sc"), readings, strict=False)), []
    for name in SETS:
        chosen = np.flatnonzero(targets.sets == name)
        tables = {key: [t.iloc[chosen] for t in value] for key, value in readings.items()}
        slides, drawn = [targets.slides[i] for i in chosen], [part[name] for part in real]
        found = summarise_readings(tables, drawn, slides, bases, draws=DRAWS)
        parts.append(found.assign(masks=name))
    facts = pd.DataFrame({key: pd.concat(value).mean() for key, value in readings.items()}).T
    table = pd.concat(parts, ignore_index=True).join(facts[["seconds", "steps"]], on="name")
    return table.assign(marks=[mark(row, table) for _, row in table.iterrows()])


def mark(row: pd.Series, table: pd.DataFrame) -> str:
    """What must be said beside the difference to `sd-sc`."""
    other = table[table["masks"] == row["masks"]].iloc[1]
    steps, deviation = ((row[name], other[name]) for name in ("steps", "deviation"))
    return " ".join(find_marks(steps=steps, deviation=deviation, kid_gain_low=row[KID_LOW]))


def main() -> None:
    """Train, read, print a table for people, and one JSON line with every number."""
    prepare_process()
    options = tyro.cli(Options)
    table = compare(options)
    for name, part in table.groupby("masks", sort=False):
        print(f"\n{name}: {len(options.runs)} runs, {options.seeds} students a kind and run")
        print(pd.DataFrame([tell(row) for _, row in part.iterrows()]).to_string(index=False))
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    print(json.dumps({"student": rows}))


def tell(row: pd.Series) -> dict[str, str]:
    """A row for people."""

    def span(name: str, digits: int = 3) -> str:
        value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
        return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    return {
        "": row["name"],
        "primary": span("primary"),
        "to sd": span("to_sd"),
        "to sd-sc": span("to_sd-sc"),
        "all, accuracy": f"{row['agreement']:.3f} {row['accuracy']:.3f}",
        "GG4": f"{row['recall_GG4']:.2f}",
        "marks": row["marks"],
        "KID": span("kid", 2),
        "std": span("deviation"),
        "energy GG4": f"{row['energy_GG4']:.2f}",
        "seam": f"{row['seam']:.2f} ({row['seam_real']:.2f})",
        "ms": f"{1000 * row['seconds']:.0f}",
    }


if __name__ == "__main__":
    main()
