"""Runs of two kinds side by side: what one setting changes, over several trainings of everything.

Takes finished runs in pairs, of one seed each and on the same data, the second trained with other
settings (of the autoencoder, say). Every variant of both is asked for the same masks, of several
labels (those of test slides, and those that synthesis asks for) and of one, from the same noise;
one referee reads the tiles of both. Prints, variant by variant, the primary measure with its paired
difference to the first kind and what marks it (agreement is blind to blur), kernel distance to real
tiles as they are (autoencoders may differ), standard deviation of latents, gradient energy over
that of the tiles, with 95 % intervals over trainings and slides; then one JSON line. About six
minutes a pair on one quiet thread; stopped, the same command goes on.

    disc run laptop --seed 1 --name half-1 --autoencoder.channels 8 16 32 --until agreement
    python benchmarks/pairs.py --first runs/laptop runs/laptop-1 --second runs/half runs/half-1
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import tyro
from side_by_side import (
    Asked,
    Reading,
    draw_masks,
    is_trained,
    open_runs,
    own_folder,
    read,
    read_real,
    show,
    summarise,
)

from disc.cli import prepare_process
from disc.files import BadInput
from disc.pipeline.context import Context
from disc.pipeline.stages.referee import REFEREE
from disc.settings.synthesis import Variant, weights_of

KINDS = ("first", "second")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run."""

    first: tuple[Path, ...]
    """Folders of finished runs, each of another seed."""
    second: tuple[Path, ...]
    """Folders of the runs beside them, of the same seeds and data, with other settings."""
    out: Path = Path("runs/pairs")
    """Folder of readings."""
    variants: tuple[Variant, ...] = ("sd", "sd-sc", "sd-disc", "sd-disc-cotrain", "sd-disc-fast")
    """Which to compare, where both have them."""
    masks: int = 320
    """Masks of each set of several labels, and a quarter as many of one."""


def open_pairs(options: Options) -> Iterator[tuple[Context, Context, Asked]]:
    """Runs of one seed and data, and the masks that all are asked for.

    Raises:
        BadInput: if not all are trained so far, or two of a pair have not one referee.
    """
    if len(options.first) != len(options.second):
        raise BadInput(
            f"--first names {len(options.first)} runs, --second {len(options.second)}; give as "
            "many, in the order of their seeds"
        )
    draw = partial(draw_masks, num=options.masks)
    first, second = (open_runs(runs, draw, ("sd",)) for runs in (options.first, options.second))
    for (one, asked), (other, _) in zip(first, second, strict=True):
        paths = [context.folder / "referee" / REFEREE for context in (one, other)]
        if len({path.read_bytes() for path in paths}) > 1:
            raise BadInput(
                f"{one.folder}, {other.folder}: referees differ; train both with one seed and data"
            )
        yield one, other, asked


def list_readings(context: Context, variants: Sequence[Variant]) -> Iterator[Reading]:
    """How each variant is drawn, as the run draws it."""
    for variant in variants:
        folder, solver = context.folder / "denoiser" / weights_of(variant), context.run.solver_of
        plain: Variant = "sd-sc" if variant == "sd-sc" else "sd"
        yield Reading(variant, folder, solver(variant), plain, context.run.sample.plan)


def compare(options: Options) -> pd.DataFrame:
    """Read every variant that all runs have; a row a set of masks, variant and kind."""
    runs = (*options.first, *options.second)
    variants = [
        variant
        for variant in options.variants
        if all(is_trained(folder, weights_of(variant)) for folder in runs)
    ]
    readings, real = dict[str, dict[str, list[pd.DataFrame]]](), []
    for *pair, asked in open_pairs(options):
        for kind, context in zip(KINDS, pair, strict=True):
            out = own_folder(options.out, context) / f"masks {options.masks}"
            for variant, reading in zip(variants, list_readings(context, variants), strict=True):
                table = read(context, reading, asked, out / f"{reading.title}.parquet")
                own = readings.setdefault(variant, {}).setdefault(f"{kind} {variant}", [])
                own.append(table)
            if kind == KINDS[0]:
                real.append(read_real(context, asked, out, "real"))
    parts = [summarise(own, real, asked, {KINDS[0]: next(iter(own))}) for own in readings.values()]
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Read, print a table for people, and one JSON line with every number."""
    prepare_process()
    show(compare(tyro.cli(Options)), KINDS[:1], "pairs")


if __name__ == "__main__":
    main()
