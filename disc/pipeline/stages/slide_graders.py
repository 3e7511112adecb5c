"""The stage that trains slide graders and scores the test slides."""

from __future__ import annotations

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
from disc.records.typed import read_table, stands
from disc.seeds import derive


def grade_slides(context: Context, folder: Path) -> str:
    """Train slide graders of every configuration, and score the test slides."""
    run, features = context.run, context.folder / FEATURES
    parts: list[pd.DataFrame] = []
    if can_grade_slides(context):
        real = read_bags(features / "real", scored_slides(context.training_set))
        parts = [
            _slide_run(context, folder, configuration, seed, real)
            for configuration in slide_configurations(run)
            for seed in range(run.grade.seeds)
        ]
    write_table(context.folder / "scores.parquet", parts, SCORES)
    if not parts:
        return "not possible: fewer than two training slides with scores"
    return f"{len(slide_configurations(run))} configurations, {run.grade.seeds} seeds"


def _slide_run(
    context: Context, folder: Path, configuration: Configuration, seed: int, real: list[Bag]
) -> pd.DataFrame:
    run, place = context.run, folder / f"{configuration.name} seed {seed}"
    if stands(place / "scores.parquet"):
        return read_table(place / "scores.parquet", SCORES, "delete it")
    features, synthetic = context.folder / FEATURES, list[Bag]()
    if configuration.balance_weight:
        slides = read_synthetic(context, configuration.variant).slides.values()  # type: ignore[arg-type]
        synthetic = read_bags(features / configuration.variant, slides)
    net = train_slide_grader(
        net=run.grade.transmil,
        real=real,
        synthetic=synthetic,
        balance_weight=configuration.balance_weight,
        folder=place,
        seed=derive(run.seed, "slides", seed),
    )
    parts = []
    for data_set, split, tiles in test_sets(context):
        source = features / ("real" if data_set == "in" else data_set)
        rows = score_rows(net, read_bags(source, scored_slides(tiles)))
        parts.append(rows.assign(data_set=data_set, split=split))
    facts = {"grader": "transmil", "encoder": ENCODER, "fold": run.data.fold}
    table = label_rows(pd.concat(parts), configuration, run.seed, seed).assign(**facts)
    save_weights(place / "transmil.safetensors", net)
    write_table(place / "scores.parquet", [table], SCORES)
    return table
