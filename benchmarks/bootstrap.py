"""Statistics of a full study: seconds of all tables and tests, and of a plain loop for one draw.

Simulates the two tables of the study on the phantom: 255 slide graders (real tiles only, five
variants and four controls at four weights, three generators and three grader seeds) on 31
validation slides and two test sets of 400, and 51 pixel graders on tiles of the same slides. Times
everything that a study computes of them, and a loop that resamples patients and asks scikit-learn
for the AUROC of each grader and label, of one test set, a draw. Prints seconds, the ratio of a
draw, and one JSON line.

    python benchmarks/bootstrap.py [--draws 20000] [--tiles 25]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from disc.evaluate.graders.statistics import pixel_statistics, slide_statistics
from disc.grade.confusion import COUNTS
from disc.labels import NUM_LABELS, Label
from disc.seeds import numpy_generator

VARIANTS = ("sd", "sd-sc", "sd-disc", "sd-disc-cotrain", "sd-disc-fast")
OF_REAL = ("real-again", "real-balanced", "real-remixed")
"""Controls that no generator seed changes; `sd-shuffled` has them all."""
WEIGHTS = (0.05, 0.1, 0.3, 0.5)
SEEDS = range(3)
SETS = (("in", "val", 31), ("in", "test", 400), ("shifted", "test", 400))
Configuration = tuple[str, float, int, int]
"""Variant, balance weight, generator seed and grader seed."""


def list_graders(weights: tuple[float, ...], variants: tuple[str, ...]) -> Iterator[Configuration]:
    """Every training of a grid; one of real tiles only a grader seed."""
    for seed in SEEDS:
        yield "real", 0.0, 0, seed
        for weight in weights:
            for variant in variants:
                generators = SEEDS if variant not in OF_REAL else (0,)
                yield from ((variant, weight, generator, seed) for generator in generators)


def simulate_scores(seed: int) -> pd.DataFrame:
    """scores.parquet of a study in which nothing helps; every slide has a patient of its own."""
    parts = []
    graders = list(list_graders(WEIGHTS, (*VARIANTS, *OF_REAL, "sd-shuffled")))
    for data_set, split, num in SETS:
        rng = numpy_generator(seed, data_set, split)
        truth = rng.random((num, NUM_LABELS)) < 0.3
        shared = rng.normal(size=truth.shape)
        names = np.array([f"{data_set} {split} {i}" for i in range(num)])
        same = {
            "patient": names.repeat(NUM_LABELS),
            "slide": names.repeat(NUM_LABELS),
            "label": np.tile([label.name for label in Label], num),
            "truth": truth.ravel().astype(int),
            "data_set": data_set,
            "split": split,
        }
        for grader in graders:
            score = 1.5 * truth + shared + 0.3 * rng.normal(size=truth.shape)
            parts.append(pd.DataFrame({**same, **_describe(grader), "score": score.ravel()}))
    return pd.concat(parts, ignore_index=True).assign(grader="transmil", encoder="embedded")


def simulate_pixels(seed: int, tiles: int) -> pd.DataFrame:
    """pixels.parquet of 51 pixel graders, some tiles a slide."""
    parts = []
    graders = list(list_graders(WEIGHTS[2:3], (*VARIANTS, "real-again")))
    for data_set, split, num in SETS:
        rng = numpy_generator(seed, "pixels", data_set, split)
        names = np.array([f"{data_set} {split} {i}" for i in range(num)]).repeat(tiles)
        chance = np.full((NUM_LABELS, NUM_LABELS), 0.04) + np.eye(NUM_LABELS) * 0.84
        same = {
            "patient": names,
            "slide": names,
            "tile": np.arange(len(names)).astype(str),
            "data_set": data_set,
            "split": split,
        }
        for grader in graders:
            counts = rng.multinomial(4096, (chance / chance.sum()).ravel(), size=len(names))
            columns = dict(zip(COUNTS, counts.T, strict=True))
            parts.append(pd.DataFrame({**same, **_describe(grader), **columns}))
    return pd.concat(parts, ignore_index=True).assign(grader="carcino", truth_kind="annotation")


def _describe(grader: Configuration) -> dict[str, object]:
    names = ("variant", "balance_weight", "generator_seed", "grader_seed")
    return {**dict(zip(names, grader, strict=True)), "fold": "Val1"}


def time_loop(scores: pd.DataFrame, draws: int) -> float:
    """Seconds a draw of a loop over the graders and labels of one test set."""
    part = scores[(scores["split"] == "test") & (scores["data_set"] == "in")]
    keys = ["variant", "balance_weight", "generator_seed", "grader_seed"]
    tables = [
        (one["truth"].to_numpy(), one["score"].to_numpy())
        for _, one in part.sort_values("slide").groupby([*keys, "label"], sort=False)
    ]
    rng, num = np.random.default_rng(0), part["slide"].nunique()
    start = time.process_time()
    for _ in range(draws):
        chosen = rng.integers(num, size=num)
        for truth, score in tables:
            roc_auc_score(truth[chosen], score[chosen])
    return (time.process_time() - start) / draws


def main() -> None:
    """Simulate, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--tiles", type=int, default=25, help="of a slide, for pixel graders")
    args = parser.parse_args()
    scores, pixels = simulate_scores(0), simulate_pixels(0, args.tiles)
    graders = {name: _count(table) for name, table in (("slides", scores), ("pixels", pixels))}
    seconds = {}
    for name, work, table in (
        ("slides", slide_statistics, scores),
        ("pixels", pixel_statistics, pixels),
    ):
        start = time.perf_counter()
        work(table, draws=args.draws, seed=0)
        seconds[name] = round(time.perf_counter() - start, 1)
        print(
            f"{graders[name]} graders of {name}, {len(table):,} rows: {seconds[name]} s", flush=True
        )
    loop = time_loop(scores, 3)
    sets = sum(num for *_, num in SETS) / SETS[1][2]
    ratio = sets * loop * args.draws / seconds["slides"]
    print(f"a loop over one test set: {loop:.2f} s a draw; over all, {ratio:,.0f} times as long")
    print(json.dumps({"draws": args.draws, "seconds": seconds, "loop": loop, "ratio": ratio}))


def _count(table: pd.DataFrame) -> int:
    keys = ["variant", "balance_weight", "generator_seed", "grader_seed"]
    return len(table[keys].drop_duplicates())


if __name__ == "__main__":
    main()
