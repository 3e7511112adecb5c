"""Every plan and variant beside each other, over several trainings.

Takes finished runs, one a training of everything (`disc run laptop --seed 1 --name laptop-1 --until
agreement` makes another). All plans and variants are asked for the same masks, of several labels
(those of test slides, and those that synthesis asks for) and of one, from the same noise and by the
same solver, the student by its own few evaluations. Prints the primary measure with its paired
differences to `sd` and to `sd-sc` under the plan `end` (and what marks the latter: agreement is
blind to blur), kernel distance to real tiles through the autoencoder, standard deviation of
latents, gradient energy over that of these tiles, seams, with 95 % intervals over trainings and
slides (of one training: slides alone); then one JSON line. About ten minutes a run on one quiet
thread; stopped, the same command goes on.

    python benchmarks/plans.py runs/laptop runs/laptop-1 runs/laptop-2 [--out runs/plans]
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import tyro
from side_by_side import (
    Reading,
    draw_masks,
    is_trained,
    open_run,
    open_runs,
    own_folder,
    read,
    read_real,
    show,
    summarise,
)

from disc.cli import prepare_process
from disc.files import BadInput
from disc.model.store import hash_weights
from disc.pipeline.context import Context
from disc.pipeline.stages.referee import load_referee
from disc.settings.sampling import Solver
from disc.settings.synthesis import STUDENT

TRAINED = ("sd-disc", "sd-disc-cotrain", STUDENT)
"""Beside `sd`."""
BASES = ("sd", "end")


@dataclass(frozen=True)
class Options:
    """What to run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs on the same data, each with other weights."""
    out: Path = Path("runs/plans")
    """Folder of readings."""
    plans: tuple[str, ...] = (
        *("end", "step", "step-null", "switch@0.25", "switch@0.5", "switch@0.75", "late@0.5"),
        *("guide@1.5", "guide@2", "heal@250", "heal@250:2"),
    )
    """How `sd-sc` joins labels; the first is what the others are compared with."""
    evaluations: tuple[int, ...] = (1, 2)
    """Of the student."""
    steps: int | None = None
    """Of the solver; None: as in the runs."""
    masks: int = 320
    """Masks of each set of several labels, and a quarter as many of one."""
    referee: Path | None = None
    """Run whose referee reads all tiles; None: each run's own."""


def list_trained(runs: Sequence[Path]) -> list[str]:
    """`sd`, and the variants that every run has trained; what one lacks is said and left out."""
    found = ["sd"]
    for name in TRAINED:
        lacking = [str(run) for run in runs if not is_trained(run, name)]
        if lacking:
            print(f"{name}: not trained in {', '.join(lacking)}; left out", flush=True)
        else:
            found.append(name)
    return found


def list_readings(context: Context, options: Options, trained: Sequence[str]) -> Iterator[Reading]:
    """Every plan of a run, and of its variants those named."""
    folder = context.folder / "denoiser"
    solver = _solver_of(context, "sd", options)
    yield Reading("sd", folder / "sd", solver)
    for plan in options.plans:
        yield Reading("sd-sc", folder / "sd", solver, "sd-sc", plan)
    for name in trained:
        if name not in ("sd", STUDENT):
            yield Reading(name, folder / name, _solver_of(context, name, options))
    for num in options.evaluations if STUDENT in trained else ():
        few = replace(context.run.solver_of(STUDENT), steps=num)
        yield Reading(STUDENT, folder / STUDENT, few)


def _solver_of(context: Context, variant: str, options: Options) -> Solver:
    solver = context.run.solver_of(variant)
    return solver if options.steps is None else replace(solver, steps=options.steps)


def compare(options: Options) -> pd.DataFrame:
    """Read everything in every run; a row a set of masks and reading."""
    readings, real = dict[str, list[pd.DataFrame]](), []
    judge = open_run(options.referee, ()) if options.referee else None
    by = f"masks {options.masks}"
    if judge:
        by += f" by {judge.folder.name} {hash_weights(load_referee(judge))[:8]}"
    draw, trained = partial(draw_masks, num=options.masks), list_trained(options.runs)
    for context, asked in open_runs(options.runs, draw, trained):
        if judge and judge.run.data.um_per_px != context.run.data.um_per_px:
            raise BadInput(f"{judge.folder}: its tiles have another scale than {context.folder}'s")
        out = own_folder(options.out, context) / by
        real.append(read_real(context, asked, out, judge=judge))
        for reading in list_readings(context, options, trained):
            table = read(context, reading, asked, out / f"{reading.title}.parquet", judge)
            readings.setdefault(reading.title, []).append(table)
    return summarise(readings, real, asked, dict(zip(BASES, readings, strict=False)))


def main() -> None:
    """Read, print a table for people, and one JSON line with every number."""
    prepare_process()
    show(compare(tyro.cli(Options)), BASES, "plans")


if __name__ == "__main__":
    main()
