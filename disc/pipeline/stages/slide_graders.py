"""The stage that trains slide graders and scores the test slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from disc.grade.bags import Bag, read_bags
from disc.grade.slides import score_rows, train_slide_grader
from disc.model.store import save_weights
from disc.pipeline.configurations import ENCODER, FEATURES, Configuration, slide_configurations
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import (
    SCORES,
    can_grade_slides,
    label_rows,
    read_synthetic,
    scored_slides,
    test_sets,
    write_table,
)
from disc.processes import own_share, wait_for_all, write_once
from disc.records.typed import read_table, stands
from disc.seeds import derive
from disc.train.checkpoint import NAME as CHECKPOINT


@dataclass(frozen=True, kw_only=True)
class Bags:
    """What every slide grader of a run is trained and tested on, listed and read once.

    Attributes:
        real: to train on.
        synthetic: of each variant, to train on.
        tested: data set, split and bags.
    """

    real: Sequence[Bag]
    synthetic: Mapping[str, Sequence[Bag]]
    tested: Sequence[tuple[str, str, Sequence[Bag]]]


def grade_slides(context: Context, folder: Path) -> str:
    """Train slide graders of every configuration, and score the test slides.

    Processes share the graders, each of which one process trains: batches are a few slides.
    """
    run, share = context.run, own_share()
    chosen = list(product(slide_configurations(run), range(run.grade.seeds)))
    if not can_grade_slides(context):
        write_once(lambda: write_table(context.folder / "scores.parquet", [], SCORES))
        return "not possible: fewer than two training slides with scores"
    bags = _read_all(context)
    for number, (configuration, seed) in enumerate(chosen):
        if share.has(number) and not stands(_table_of(folder, configuration, seed)):
            _train(context, folder, configuration, seed, bags)
    wait_for_all()
    tables = [_table_of(folder, configuration, seed) for configuration, seed in chosen]
    write_once(lambda: _join(context.folder / "scores.parquet", tables))
    return f"{len(slide_configurations(run))} configurations, {run.grade.seeds} seeds"


def _read_all(context: Context) -> Bags:
    features = context.folder / FEATURES
    return Bags(
        real=read_bags(features / "real", scored_slides(context.training_set)),
        synthetic={
            variant: read_bags(features / variant, read_synthetic(context, variant).slides.values())
            for variant in context.run.synthesis.variants
        },
        tested=[
            (name, split, read_bags(features / ("real" if name == "in" else name), slides))
            for name, split, tiles in test_sets(context)
            for slides in [scored_slides(tiles)]
        ],
    )


def _table_of(folder: Path, configuration: Configuration, seed: int) -> Path:
    """Scores of a grader; written last, so one that has them is finished."""
    return folder / f"{configuration.name} seed {seed}" / "scores.parquet"


def _train(
    context: Context, folder: Path, configuration: Configuration, seed: int, bags: Bags
) -> None:
    run, path = context.run, _table_of(folder, configuration, seed)
    net = train_slide_grader(
        net=run.grade.transmil,
        real=bags.real,
        synthetic=bags.synthetic[configuration.variant] if configuration.balance_weight else [],
        balance_weight=configuration.balance_weight,
        folder=path.parent,
        seed=derive(run.seed, "slides", seed),
    )
    parts = [
        score_rows(net, tested).assign(data_set=data_set, split=split)
        for data_set, split, tested in bags.tested
    ]
    facts = {"grader": "transmil", "encoder": ENCODER, "fold": run.data.fold}
    table = label_rows(pd.concat(parts), configuration, run.seed, seed).assign(**facts)
    save_weights(path.parent / "transmil.safetensors", net)
    write_table(path, [table], SCORES)
    (path.parent / CHECKPOINT).unlink(missing_ok=True)


def _join(path: Path, tables: Sequence[Path]) -> None:
    write_table(path, [read_table(table, SCORES, "delete it") for table in tables], SCORES)
