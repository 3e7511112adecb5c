"""Audits of every variant and plan beside each other, over trainings and seeds of their noise.

Takes finished runs, one a training (`disc run laptop --seed 1 --name demo-1 --until agreement`
makes another). All are asked for the same masks, as synthesis draws them, under several seeds; the
audit holds their tiles beside the test slides, and looks for copies of the training tiles. Prints
the main figures of each, means over seeds and trainings with 95 % intervals over trainings (t; of
one training there is none), real test tiles of other halves beside them; then one JSON line.
Stopped, the same command goes on.

    python benchmarks/audit_study.py runs/demo runs/demo-1 runs/demo-2 [--seeds 3] [--masks 256]
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import scipy.stats
import tyro
from side_by_side import Asked, open_runs, own_folder

import disc
from disc.audit.audit import Questions, audit
from disc.audit.copies.new import measure_copies
from disc.audit.figures import Figure, to_table
from disc.audit.segmenter import train_segmenters
from disc.audit.sets import AuditSet, hold, hold_arrays
from disc.cli import prepare_process
from disc.files import write_parquet
from disc.pipeline.context import Context
from disc.pipeline.evaluation_masks import draw_synthesis_masks
from disc.progress import print_line
from disc.seeds import derive
from disc.settings.synthesis import STUDENT

WAYS = (
    *(("sd", ""), ("sd-sc", "end"), ("sd-sc", "step"), ("sd-sc", "switch@0.75")),
    *(("sd-disc", ""), ("sd-disc-cotrain", ""), (STUDENT, "")),
)
"""Variants and, of separated conditions, plans."""
SHOWN = (
    *("agreement", "recall.GG5", "kid.embedded", "kid.texture", "probe", "gradient.GG4"),
    *("gradient.GG5", "seam", "seam.beyond-real", "lattice.4", "copies", "false-alarms"),
)
"""Figures of the table."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs on the same data, each with other weights."""
    out: Path = Path("runs/audits")
    """Folder of figures."""
    masks: int = 256
    """That each is asked for."""
    seeds: int = 3
    """Of the noise."""
    segmenter_steps: int = 200
    """Training steps of each of the segmenters of a run's audits."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What all audits of a run share."""

    model: Any
    real: AuditSet
    training: AuditSet
    segmenters: Any


def prepare(context: Context, steps: int) -> Bench:
    """The run's test and training tiles, and segmenters of the test slides."""
    real = hold("test slides", context.split.test)
    training = hold("training slides", context.split.train)
    segmenters = train_segmenters(real, steps=steps, seed=0)
    return Bench(disc.load(context.folder), real, training, segmenters)


def audit_way(
    bench: Bench, asked: Asked, way: tuple[str, str], seed: int, steps: int
) -> list[Figure]:
    """Every figure of a variant and plan under one seed."""
    variant, plan = way
    seeds = [derive(seed, "audit study", i) for i in range(len(asked.masks))]
    images = bench.model.sample(asked.masks, variant=variant, plan=plan or None, seed=seeds)
    made = hold_arrays(variant, images, asked.masks, asked.slides, bench.model.um_per_px)
    questions = Questions(parts=("asked", "look", "seams"), steps=steps, transfer=False)
    found = audit(bench.real, made, questions, segmenters=bench.segmenters)
    return [*found.figures, *measure_copies(bench.training, made, seed=0).figures]


def draw(num: int) -> Any:
    """The masks of a run, drawn as synthesis does."""

    def masks_of(context: Context) -> Asked:
        masks, slides = draw_synthesis_masks(context.recipes, context.book, num, 0)[:2]
        return Asked(masks, list(slides), np.array(["synthesis"] * len(masks)))

    return masks_of


def read_all(options: Options) -> pd.DataFrame:
    """Figures of every run, way and seed; those that stand are read."""
    needs = [variant for variant, _ in WAYS if variant not in ("sd", "sd-sc")]
    tables = []
    for context, asked in open_runs(options.runs, draw(options.masks), needs):
        folder, bench = own_folder(options.out, context), None
        for way, seed in product(WAYS, range(options.seeds)):
            name = " ".join(filter(None, way))
            path = folder / f"{name} {options.masks} {options.segmenter_steps} {seed}.parquet"
            if not path.exists():
                bench = bench or prepare(context, options.segmenter_steps)
                figures = audit_way(bench, asked, way, seed, options.segmenter_steps)
                write_parquet(path, to_table(figures))
                print_line(f"{folder.name}: {name}, seed {seed}")
            table = pd.read_parquet(path)
            tables.append(table.assign(way=name, seed=seed, run=str(context.folder)))
    return pd.concat(tables, ignore_index=True)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, then over trainings with t intervals, a row a way and figure."""
    rows = []
    for (way, name), part in table.groupby(["way", "name"], sort=False):
        by_run = part.groupby("run")["value"].mean().dropna()
        if by_run.empty:
            continue
        half = float("nan")
        if len(by_run) > 1:
            quantile = scipy.stats.t.ppf(0.975, len(by_run) - 1)
            half = float(quantile * by_run.std(ddof=1) / np.sqrt(len(by_run)))
        value = float(by_run.mean())
        beside = {key: float(part[key].mean()) for key in ("floor", "ceiling", "chance")}
        ends = {"value": value, "low": value - half, "high": value + half}
        rows.append({"way": way, "name": name, **ends, "trainings": len(by_run), **beside})
    return pd.DataFrame(rows)


def show(found: pd.DataFrame) -> None:
    """The main figures for people, a row a way; what real tiles give in the last row."""
    cells: dict[str, dict[str, str]] = {}
    for row in found[found["name"].isin(SHOWN)].itertuples():
        span = "" if np.isnan(row.low) else f" [{row.low:.2f}, {row.high:.2f}]"
        cells.setdefault(row.way, {})[row.name] = f"{row.value:.3f}{span}"
        real = row.floor if np.isnan(row.ceiling) else row.ceiling
        cells.setdefault("real tiles", {})[row.name] = "" if np.isnan(real) else f"{real:.3f}"
    last = cells.pop("real tiles", {})
    table = pd.DataFrame({**cells, "real tiles": last}).T
    print(table[[name for name in SHOWN if name in table]].fillna("refused").to_string())


def main() -> None:
    """Audit what is missing, and print the table."""
    options = tyro.cli(Options, description=__doc__)
    prepare_process()
    found = summarise(read_all(options))
    show(found)
    print(json.dumps({"figures": json.loads(found.to_json(orient="records"))}))


if __name__ == "__main__":
    main()
