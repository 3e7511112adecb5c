"""Readings of several trainings side by side: what the benchmarks of generated tiles share.

Everything is asked for the same masks from the same noise; the referee reads the tiles, which are
measured beside it (mask agreement is blind to blur).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from disc.evaluate.agreement import measure_tiles
from disc.evaluate.marks import find_marks
from disc.evaluate.readings import describe_tiles, summarise_readings
from disc.evaluate.referee import read_tiles
from disc.files import BadInput, write_parquet
from disc.labels import Label
from disc.model.denoiser import Denoiser
from disc.model.store import hash_weights
from disc.pipeline.config_file import read_config
from disc.pipeline.context import Context
from disc.pipeline.evaluation_masks import draw_synthesis_masks, draw_targets
from disc.pipeline.galleries import hang, hang_real, survey
from disc.pipeline.stages.referee import load_referee
from disc.processes import own_device
from disc.sample.bank import Bank, fill_bank, read_bank
from disc.sample.cost import count_evaluations
from disc.sample.plans import plan_of
from disc.sample.sampler import Sampler
from disc.sample.solver import name_solver
from disc.sample.synthesis import collect_shapes
from disc.seeds import derive
from disc.settings.sampling import Solver
from disc.settings.synthesis import Variant

DRAWS = 2000
"""Of the bootstrap."""
SETS = ("test slides", "synthesis", "one label")


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

    @property
    def names(self) -> list[str]:
        """Of the sets of masks, in their order."""
        return list(dict.fromkeys(self.sets.tolist()))


@dataclass(frozen=True)
class Reading:
    """A network and how it is sampled."""

    name: str
    folder: Path
    solver: Solver
    variant: Variant = "sd"
    plan: str = "end"

    @property
    def title(self) -> str:
        """What tables call it."""
        plan = f" {self.plan}" if self.variant == "sd-sc" else ""
        return f"{self.name}{plan}, {name_solver(self.solver)}"


def is_trained(folder: Path, name: str) -> bool:
    """Whether a run's denoiser of a name is trained."""
    return (folder / "denoiser" / name / "done.json").exists()


def open_run(folder: Path, needs: Sequence[str] = ("sd-disc",)) -> Context:
    """A run whose denoisers of some names are trained."""
    for name in needs:
        if not is_trained(folder, name):
            raise BadInput(f"{folder}: no trained {name}; disc run --until agreement makes it")
    run = read_config(folder / "config.json")
    return Context(replace(run, out=folder.parent, name=folder.name), folder)


def open_runs(
    folders: Sequence[Path],
    draw: Callable[[Context], Asked],
    needs: Sequence[str] = ("sd-disc",),
) -> Iterator[tuple[Context, Asked]]:
    """Runs whose denoisers of some names are trained, with the masks that all are asked for.

    Raises:
        BadInput: if a run is not trained so far, or its masks are others than those of the first.
    """
    first: Asked | None = None
    for folder in folders:
        context = open_run(folder, needs)
        asked = draw(context)
        first = first or asked
        if not np.array_equal(first.masks, asked.masks):
            raise BadInput(f"{folder}: other data, or labels, than {folders[0]}")
        yield context, first


def own_folder(out: Path, context: Context) -> Path:
    """Folder of what is made of a run, of the weights of its `sd`."""
    return out / f"{context.folder.name} {hash_weights(context.denoiser('sd'))[:8]}"


def fill_own(context: Context, folder: Path, num: int, seed: int) -> Bank:
    """Bundles of a run's `sd`."""
    facts = {"labels": context.latents.known(), "latent_px": context.run.data.tile_px // 4}
    fill_bank(context.denoiser("sd"), folder, context.run.sample, num=num, seed=seed, **facts)
    return read_bank(folder)


def draw_masks(context: Context, num: int) -> Asked:
    """Masks of test slides' shapes, those that synthesis asks for, and of one label."""
    run, known = context.run, context.latents.known()
    draw = partial(draw_targets, collect_shapes(context.split.test), known)
    px = run.data.tile_px
    test = draw(replace(run.evaluate, num_uniform=0, num_mixed=num), 0, px)
    one = draw(replace(run.evaluate, num_uniform=num // 4, num_mixed=0), 0, px)
    parts = [test, draw_synthesis_masks(context.recipes, context.book, num, 0), one]
    names = [name for name, part in zip(SETS, parts, strict=True) for _ in part[0]]
    everything = [slide for part in parts for slide in part[1]]
    return Asked(np.concatenate([part[0] for part in parts]), everything, np.array(names))


def read(
    context: Context, reading: Reading, targets: Asked, path: Path, judge: Context | None = None
) -> pd.DataFrame:
    """What the referee reads in the tiles of a network, and how they look; a row a mask.

    The referee is the run's own, or that of the run `judge`.
    """
    if path.exists():
        return pd.read_parquet(path)
    run, start = context.run, time.perf_counter()
    nets: dict[Variant, Denoiser] = {
        "sd": Denoiser.load(reading.folder, run.denoiser).to(own_device())
    }
    sample = replace(run.sample, solver=reading.solver, plan=reading.plan)
    sampler = Sampler(context.autoencoder, nets, sample)
    latents = sampler.draw_latents(reading.variant, targets.masks, targets.seeds)
    images = sampler.decode(latents)
    seconds = (time.perf_counter() - start) / len(images)
    columns = measure(judge or context, latents, images, targets)
    plan, schedule = plan_of(reading.variant, reading.plan), nets["sd"].schedule
    columns["evaluations"] = count_evaluations(targets.masks, plan, schedule, reading.solver)
    table = pd.DataFrame(columns).assign(seconds=seconds, steps=reading.solver.steps)
    write_parquet(path, table)
    print(f"{path.parent.name}: {reading.title}: {1000 * seconds:.0f} ms a tile", flush=True)
    return table


def measure(
    context: Context, latents: torch.Tensor, images: np.ndarray, targets: Asked
) -> dict[str, np.ndarray]:
    """Columns of generated tiles uint8 [N, H, W, 3], and of their latents [N, 3, h, w]."""
    referee = load_referee(context)
    columns = measure_tiles(targets.masks, read_tiles(referee, images))
    columns |= describe_tiles(hang(referee, images, targets.masks, targets.slides))
    moments = {"latent_mean": latents, "latent_square": latents.square()}
    return columns | {name: part.mean(dim=(1, 2, 3)).numpy() for name, part in moments.items()}


def read_real(
    context: Context,
    targets: Asked,
    folder: Path,
    view: str = "reconstruction",
    judge: Context | None = None,
) -> dict[str, pd.DataFrame]:
    """Real tiles of the labels of each set of masks, through the autoencoder or as they are."""
    title = "real" if view == "reconstruction" else f"{view}, as they are,"
    paths = {name: folder / f"{title} {name}.parquet" for name in targets.names}
    if missing := [name for name, path in paths.items() if not path.exists()]:
        referee, tiles = load_referee(judge or context), survey(context.judged)
        for name in missing:
            masks = targets.masks[targets.sets == name]
            gallery = hang_real(context, referee, tiles, masks)[view]
            described = pd.DataFrame(describe_tiles(gallery))
            write_parquet(paths[name], described.assign(slide=list(gallery.slides)))
    return {name: pd.read_parquet(path) for name, path in paths.items()}


def summarise(
    readings: Mapping[str, Sequence[pd.DataFrame]],
    real: Sequence[Mapping[str, pd.DataFrame]],
    asked: Asked,
    bases: Mapping[str, str],
) -> pd.DataFrame:
    """Every measure of each reading on each set of masks, over trainings and slides.

    Args:
        readings: by title; one table a training, a row a mask.
        real: of each training, real tiles by set of masks.
        asked: the masks.
        bases: titles that differences are to, by what columns call them; marks are to the last.
    """
    parts = []
    for name in asked.names:
        chosen = np.flatnonzero(asked.sets == name)
        tables = {key: [t.iloc[chosen] for t in value] for key, value in readings.items()}
        slides, drawn = [asked.slides[i] for i in chosen], [part[name] for part in real]
        found = summarise_readings(tables, drawn, slides, bases, draws=DRAWS)
        several = {key: pd.concat(value) for key, value in tables.items()}
        facts = {key: t[["evaluations", "seconds", "steps"]].mean() for key, t in several.items()}
        parts.append(found.join(pd.DataFrame(facts).T, on="name").assign(masks=name))
    table = pd.concat(parts, ignore_index=True)
    base = list(bases.items())[-1]
    return table.assign(marks=[mark(row, table, *base) for _, row in table.iterrows()])


def mark(row: pd.Series, table: pd.DataFrame, column: str, title: str) -> str:
    """What must be said beside the difference to a base."""
    other = table[(table["masks"] == row["masks"]) & (table["name"] == title)].iloc[0]
    steps, deviation = ((row[name], other[name]) for name in ("steps", "deviation"))
    gain = row[f"kid_to_{column}_low"]
    return " ".join(find_marks(steps=steps, deviation=deviation, kid_gain_low=gain))


def show(table: pd.DataFrame, bases: Sequence[str], what: str, **more: object) -> None:
    """Print what people read, then one JSON line with every number, under the benchmark's name."""
    for name, part in table.groupby("masks", sort=False):
        print(f"\n{name}")
        rows = [tell(row, bases) for _, row in part.iterrows()]
        print(pd.DataFrame(rows).to_string(index=False))
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    print(json.dumps({what: rows, **more}))


def tell(row: pd.Series, bases: Sequence[str]) -> dict[str, str]:
    """A row for people."""

    def span(name: str, digits: int = 3) -> str:
        value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
        return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    return {
        "": row["name"],
        "evaluations": f"{row['evaluations']:.1f}",
        "primary": span("primary"),
        "of trainings": " ".join(f"{value:.3f}" for value in row["primary_of"]),
        **{f"to {base}": span(f"to_{base}") for base in bases},
        "marks": row["marks"],
        "all, accuracy": f"{row['agreement']:.3f} {row['accuracy']:.3f}",
        "GG4": f"{row['recall_GG4']:.2f}",
        "KID": span("kid", 2),
        **{f"KID to {base}": span(f"kid_to_{base}", 2) for base in bases},
        "std": span("deviation"),
        "energy": " ".join(f"{row[f'energy_{label.name}']:.2f}" for label in Label),
        "seam": f"{row['seam']:.2f} ({row['seam_real']:.2f})",
        "ms": f"{1000 * row['seconds']:.0f}",
    }
