"""The stage that trains slide graders and scores the test slides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from disc.data.tiles.records import Slide
from disc.files import write_parquet
from disc.grade.bags import Bag, read_bags
from disc.grade.mil.scoring import attention_table
from disc.grade.slides import score_rows, train_slide_grader
from disc.model.store import save_weights
from disc.pipeline.configurations import (
    ENCODER,
    SUPERPIXELS,
    Configuration,
    features_of,
    slide_configurations,
)
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
from disc.settings.grading import EncoderName, SlideGrader

ATTENTION = "attention.parquet"
"""Beside a grader's scores: how much each tile of each test slide counted."""


@dataclass(frozen=True)
class _Kind:
    """A grader on the features of an encoder."""

    context: Context
    grader: SlideGrader
    encoder: EncoderName

    @property
    def folder(self) -> str:
        """Folder of its runs within the stage's; of the default pair the stage's own."""
        is_first = (self.grader, self.encoder) == ("transmil", ENCODER)
        return "." if is_first else f"{self.grader} on {self.encoder}"

    def read(self, place: str, slides: Iterable[Slide]) -> list[Bag]:
        """Bags of slides, of tiles or of superpixels."""
        features = self.context.folder / features_of(self.encoder)
        if self.grader == "mixed-supervision":
            features = features / SUPERPIXELS
        return read_bags(features / place, slides)


def grade_slides(context: Context, folder: Path) -> str:
    """Train slide graders of every kind and configuration, and score the test slides."""
    parts = list(_all_runs(context, folder)) if can_grade_slides(context) else []
    write_table(context.folder / "scores.parquet", parts, SCORES)
    if not parts:
        return "not possible: fewer than two training slides with scores"
    num = len(slide_configurations(context.run))
    return f"{num} configurations, {context.run.grade.seeds} seeds"


def _all_runs(context: Context, folder: Path) -> Iterator[pd.DataFrame]:
    grade = context.run.grade
    runs = list(product(slide_configurations(context.run), range(grade.seeds)))
    for encoder, grader in product(grade.encoders, grade.slide_graders):
        kind = _Kind(context, grader, encoder)
        real = kind.read("real", scored_slides(context.training_set))
        for configuration, seed in runs:
            place = folder / kind.folder / f"{configuration.name} seed {seed}"
            if not stands(place / "scores.parquet"):
                _run(kind, place, configuration, seed, real)
            yield read_table(place / "scores.parquet", SCORES, "delete it")


def _run(
    kind: _Kind, place: Path, configuration: Configuration, seed: int, real: list[Bag]
) -> None:
    """Train a grader and write its scores, last."""
    run = kind.context.run
    synthetic = list[Bag]()
    if configuration.balance_weight:
        tiles = read_synthetic(kind.context, configuration.variant)  # type: ignore[arg-type]
        synthetic = kind.read(configuration.variant, tiles.slides.values())
    net = train_slide_grader(
        net=run.grade.transmil,
        real=real,
        synthetic=synthetic,
        balance_weight=configuration.balance_weight,
        folder=place,
        seed=derive(run.seed, "slides", seed),
        grader=kind.grader,
    )
    scores, attention = [], []
    for data_set, split, test_tiles in test_sets(kind.context):
        bags = kind.read("real" if data_set == "in" else data_set, scored_slides(test_tiles))
        names = {"data_set": data_set, "split": split}
        scores.append(score_rows(net, bags).assign(**names))
        attention.append(attention_table(net, bags).assign(**names))
    facts = {"grader": kind.grader, "encoder": kind.encoder, "fold": run.data.fold}
    table = label_rows(pd.concat(scores), configuration, run.seed, seed).assign(**facts)
    save_weights(place / f"{kind.grader}.safetensors", net)
    write_parquet(place / ATTENTION, pd.concat(attention, ignore_index=True))
    write_table(place / "scores.parquet", [table], SCORES)
