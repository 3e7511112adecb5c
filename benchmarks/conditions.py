"""Which condition follows its masks best: the six of `denoiser.condition`, three trainings each.

One simulated set, one autoencoder and one referee serve all; trainings differ by condition and seed
(initial weights, batches, noise). Every denoiser is sampled with the same masks, from noise that
depends on the seed alone, so conditions are paired. Prints mask agreement (mean recall over labels
that cover at least 5 % of a tile) of plain sampling and of
separated conditions with 95 % intervals over slides and trainings (both resampled; seed variability
is estimated from three trainings only), and the differences to one condition. About four minutes a
training on two cores; stopped, the same command resumes, and `--conditions` divides the work
between two shells.

    python benchmarks/conditions.py [--preset laptop] [--out runs/conditions] [--seeds 3]
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import tyro

from disc.cli import prepare_process
from disc.pipeline.context import Context
from disc.presets import PRESETS
from disc.settings.denoiser import CONDITIONS, Condition
from disc.settings.synthesis import Variant

WAYS: tuple[Variant, ...] = ("sd", "sd-sc")


@dataclass(frozen=True)
class Options:
    """What to run."""

    preset: str = "laptop"
    """Name of a preset that simulates the phantom."""
    out: Path = Path("runs/conditions")
    """Folder of the run that all share, and of the trainings."""
    conditions: tuple[Condition, ...] = CONDITIONS
    """Which conditions to train; differences are to the first."""
    seeds: int = 3
    """Trainings of each condition, one a seed."""


def share_run(options: Options) -> Context:
    """Data, referee, autoencoder and latents, made once."""
    from disc.pipeline.run import execute

    run = replace(PRESETS[options.preset](), name="shared", out=options.out, until="latents")
    execute(run)
    return Context(run, options.out / "shared")


def measure(shared: Context, condition: Condition, seed: int) -> pd.DataFrame:
    """Train one denoiser; the referee reads the tiles that it generates. A row a mask and way."""
    from disc.files import write_parquet
    from disc.pipeline.stage_list import generator_stages

    name = f"{condition}-{seed}"
    folder = shared.folder.parent / name
    path = folder / "tiles.parquet"
    if not path.exists():
        settings = replace(shared.run.denoiser, condition=condition)
        context = Context(replace(shared.run, denoiser=settings, seed=seed), shared.folder)
        stage = next(s for s in generator_stages(context) if s.name == "denoiser/sd")
        print(f"{name}: {stage.work(folder)}", flush=True)
        write_parquet(path, _read(context, folder))
    return pd.read_parquet(path).assign(condition=condition, seed=seed)


def _read(context: Context, folder: Path) -> pd.DataFrame:
    from disc.evaluate.agreement import measure_tiles
    from disc.evaluate.referee import read_tiles
    from disc.model.denoiser import Denoiser
    from disc.pipeline.evaluation_masks import draw_targets
    from disc.pipeline.stages.referee import load_referee
    from disc.sample.sampler import Sampler
    from disc.sample.synthesis import collect_shapes
    from disc.seeds import derive

    run, book = context.run, collect_shapes(context.split.test)
    known = context.latents.known()
    targets, sources = draw_targets(book, known, run.evaluate, 0, run.data.tile_px)
    seeds = [derive(run.seed, "asked", i) for i in range(len(targets))]
    denoiser = Denoiser.load(folder, run.denoiser)
    sampler, referee = (
        Sampler(context.autoencoder, {"sd": denoiser}, run.sample),
        load_referee(context),
    )
    parts = []
    for way in WAYS:
        read = read_tiles(referee, sampler.generate(way, targets, seeds))
        facts = {"way": way, "mask": range(len(targets)), "slide": sources}
        parts.append(pd.DataFrame(facts | measure_tiles(targets, read)))
    return pd.concat(parts, ignore_index=True)


def summarise(read: pd.DataFrame, base: Condition, draws: int = 2000) -> pd.DataFrame:
    """Agreement by condition, way and kind of mask, and its difference to the base condition."""
    from disc.evaluate.agreement import FRACTIONS, RECALLS, TEST, kinds_of, mean_recall

    primary = mean_recall(read[RECALLS].to_numpy(), read[FRACTIONS].to_numpy())
    masks, labels = [TEST] * len(read), read[RECALLS].notna().sum(axis=1)
    read = read.assign(agreement=primary, kind=kinds_of(masks, labels))
    keys = ["way", "kind", "seed", "mask"]
    first = read[read["condition"] == base].set_index(keys)["agreement"].rename("first")
    read = read.join(first, on=keys)
    rows = []
    for (way, kind, condition), part in read.groupby(["way", "kind", "condition"], sort=False):
        value, low, high = _interval(part, part["agreement"], draws)
        row = {"way": way, "kind": kind, "condition": condition, "value": value}
        row |= {"low": low, "high": high}
        row["seeds"] = [round(v, 3) for v in part.groupby("seed")["agreement"].mean()]
        difference = _interval(part, part["agreement"] - part["first"], draws)
        rows.append(row | dict(zip(("gain", "gain_low", "gain_high"), difference, strict=True)))
    return pd.DataFrame(rows).sort_values(["way", "kind", "value"], ascending=[True, True, False])


def _interval(part: pd.DataFrame, values: pd.Series, draws: int) -> tuple[float, float, float]:
    """Mean, and its bootstrap interval over slides and, crossed with them, trainings."""
    from disc.evaluate.bootstrap import cluster_weights

    table = pd.DataFrame({"slide": part["slide"], "seed": part["seed"], "value": values})
    sums = table.pivot_table(index="slide", columns="seed", values="value", aggfunc="sum")
    counts = table.pivot_table(index="slide", columns="seed", values="value", aggfunc="count")
    slides = cluster_weights(sums.shape[0], draws, 0)
    trainings = cluster_weights(sums.shape[1], draws, 1)
    total, number = (
        np.einsum("ds,st,dt->d", slides, array.fillna(0).to_numpy(), trainings)
        for array in (sums, counts)
    )
    low, high = np.quantile(total / number, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def main() -> None:
    """Train and measure; print a table, and one JSON line with every number."""
    prepare_process()
    options = tyro.cli(Options)
    shared = share_run(options)
    read = pd.concat(
        measure(shared, condition, seed)
        for seed in range(options.seeds)
        for condition in options.conditions
    )
    table = summarise(read, options.conditions[0])
    print(table.to_string(index=False, float_format=lambda number: f"{number:.3f}"))
    print(json.dumps({"conditions": table.to_dict("records")}))


if __name__ == "__main__":
    main()
