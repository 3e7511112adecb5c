"""Classifier-free guidance beside separated conditions: what follows masks better, at what price.

Takes finished runs in pairs of one seed and the same data, autoencoder and referee: the first as
they are, the second with condition dropout (`--denoiser.condition-dropout 0.1`). Plain sampling and
separated conditions of the first, and both of the second under several scales of guidance, are
asked for the same masks from the same noise. Prints the primary measure with its paired
differences to `sd` and to `sd-sc` of the first (and what marks the latter: agreement is blind to
blur), kernel distance to real tiles through the autoencoder, standard deviation of latents,
gradient energy over that of these tiles, seams, with 95 % intervals over trainings and slides; then
one JSON line. About eight minutes a pair on one quiet thread; stopped, the same command goes on.

    disc run demo --seed 1 --name guided-1 --denoiser.condition-dropout 0.1 --until denoiser/sd
    python benchmarks/guidance.py --first runs/demo runs/demo-1 --second runs/guided runs/guided-1
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import tyro
from pairs import Options as Pairs
from pairs import open_pairs
from side_by_side import Reading, own_folder, read, read_real, show, summarise

from disc.cli import prepare_process
from disc.files import BadInput
from disc.pipeline.context import Context
from disc.settings.synthesis import Variant

WAYS: tuple[Variant, ...] = ("sd", "sd-sc")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run."""

    first: tuple[Path, ...]
    """Folders of finished runs, each of another seed."""
    second: tuple[Path, ...]
    """Folders of runs of the same seeds and data, with condition dropout."""
    out: Path = Path("runs/guidance")
    """Folder of readings."""
    scales: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0)
    """Of guidance; 1: none."""
    masks: int = 320
    """Masks of each set of several labels, and a quarter as many of one."""


def list_readings(context: Context, name: str, scales: tuple[float, ...]) -> Iterator[Reading]:
    """Plain sampling and separated conditions of a run's `sd`, at every scale."""
    folder, solver = context.folder / "denoiser" / "sd", context.run.sample.solver
    for variant, scale in product(WAYS, scales):
        yield Reading(f"{name} {variant}", folder, replace(solver, guidance=scale), variant)


def compare(options: Options) -> pd.DataFrame:
    """Read everything in every pair; a row a set of masks and reading."""
    readings, real = dict[str, list[pd.DataFrame]](), []
    pairs = Pairs(first=options.first, second=options.second, masks=options.masks)
    for plain, dropped, asked in open_pairs(pairs):
        if not dropped.run.denoiser.condition_dropout:
            raise BadInput(f"{dropped.folder}: trained without condition dropout; see --help")
        named = (("as it is", plain, (1.0,)), ("dropout", dropped, options.scales))
        for name, context, scales in named:
            out = own_folder(options.out, context) / f"masks {options.masks}"
            for reading in list_readings(context, name, scales):
                table = read(context, reading, asked, out / f"{reading.title}.parquet")
                readings.setdefault(reading.title, []).append(table)
            if context is plain:
                real.append(read_real(plain, asked, out))
    return summarise(readings, real, asked, dict(zip(WAYS, readings, strict=False)))


def main() -> None:
    """Read, print a table for people, and one JSON line with every number."""
    prepare_process()
    show(compare(tyro.cli(Options)), WAYS, "guidance")


if __name__ == "__main__":
    main()
