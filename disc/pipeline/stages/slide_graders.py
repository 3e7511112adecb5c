"""The stage that trains slide graders and scores the test slides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from disc.processes import own_share, wait_for_all, write_once
from disc.records.typed import read_table, stands
from disc.report.graders.attention import AttentionSheet, choose_slides
from disc.seeds import derive
from disc.settings.grading import GIVEN, EncoderName, SlideGrader
from disc.train.checkpoint import NAME as CHECKPOINT

ATTENTION = "attention.parquet"
"""Beside a grader's scores: how much each tile of each test slide counted."""


def grade_slides(context: Context, folder: Path) -> str:
    """Train slide graders of every kind and configuration, and score the test slides.

    Processes share the graders, each of which one process trains: batches are a few slides.
    """
    grade, share, joined = context.run.grade, own_share(), context.folder / "scores.parquet"
    if not can_grade_slides(context):
        write_once(lambda: write_table(joined, [], SCORES))
        return "not possible: fewer than two training slides with scores"
    runs = list(product(slide_configurations(context.run), range(grade.seeds)))
    slides, tables = _Slides(context), list[Path]()
    for encoder, grader in product(grade.encoders, grade.slide_graders):
        kind = _Kind(slides, grader, encoder)
        for configuration, seed in runs:
            # written last: a grader that has it is finished
            table = folder / kind.folder / f"{configuration.name} seed {seed}" / "scores.parquet"
            if share.has(len(tables)) and not stands(table):
                _train(kind, table, configuration, seed)
            tables.append(table)
    wait_for_all()
    write_once(lambda: _join(joined, tables))
    return f"{len(slide_configurations(context.run))} configurations, {grade.seeds} seeds"


@dataclass(frozen=True)
class _Slides:
    """The slides of a run, each set listed once."""

    context: Context

    @cached_property
    def real(self) -> list[Slide]:
        """To train on."""
        return scored_slides(self.context.training_set)

    @cached_property
    def synthetic(self) -> Mapping[str, list[Slide]]:
        """Of each variant, to train on."""
        variants = self.context.run.synthesis.variants
        return {name: list(read_synthetic(self.context, name).slides.values()) for name in variants}

    @cached_property
    def tested(self) -> list[tuple[str, str, list[Slide]]]:
        """Data set, split and slides."""
        return [
            (data_set, split, scored_slides(tiles))
            for data_set, split, tiles in test_sets(self.context)
        ]


@dataclass(frozen=True)
class _Kind:
    """A grader on the features of an encoder, and its bags, read once."""

    slides: _Slides
    grader: SlideGrader
    encoder: EncoderName

    @property
    def folder(self) -> str:
        """Folder of its runs within the stage's."""
        return folder_of(self.grader, self.encoder)

    @cached_property
    def real(self) -> list[Bag]:
        """To train on."""
        return self._read("real", self.slides.real)

    @cached_property
    def synthetic(self) -> Mapping[str, list[Bag]]:
        """Of each variant, to train on."""
        return {name: self._read(name, slides) for name, slides in self.slides.synthetic.items()}

    @cached_property
    def tested(self) -> list[tuple[str, str, list[Bag]]]:
        """Data set, split and bags."""
        return [
            (data_set, split, self._read("real" if data_set == "in" else data_set, slides))
            for data_set, split, slides in self.slides.tested
        ]

    def _read(self, place: str, slides: Iterable[Slide]) -> list[Bag]:
        """Bags of slides, of tiles or of superpixels."""
        features = self.slides.context.folder / features_of(self.encoder)
        if self.grader == "mixed-supervision":
            features = features / SUPERPIXELS
        return read_bags(features / place, slides)


def list_attention(context: Context) -> list[AttentionSheet]:
    """What slide graders looked at in test slides: of real tiles, and with the last variant."""
    grade, chosen = context.run.grade, dict[str, Configuration]()
    for configuration in slide_configurations(context.run):
        chosen.setdefault(configuration.variant, configuration)
    trained = list(chosen.values())
    sheets, slides = list[AttentionSheet](), choose_slides(context.split.test)
    if not slides:
        return sheets
    # superpixels, and what other programs encoded, need not be the tiles that are shown
    graders = [name for name in grade.slide_graders if name != "mixed-supervision"]
    encoders = [name for name in grade.encoders if name != GIVEN]
    for encoder, grader in product(encoders, graders):
        place = context.folder / "graders" / "slides" / folder_of(grader, encoder)
        for configuration in trained[:1] + trained[1:][-1:]:
            path = place / f"{configuration.name} seed 0" / ATTENTION
            if stands(path):
                table = read_table(
                    path, ("slide", "tile", "attention", "data_set", "split"), "delete it"
                )
                kept = table[(table["data_set"] == "in") & (table["split"] == "test")]
                name = f"{grader}_{encoder}_{configuration.variant}"
                sheets.append(AttentionSheet(name=name, slides=slides, table=kept))
    return sheets


def folder_of(grader: SlideGrader, encoder: EncoderName) -> str:
    """Folder of a grader's runs within the stage's; of the default pair the stage's own."""
    return "." if (grader, encoder) == ("transmil", ENCODER) else f"{grader} on {encoder}"


def _train(kind: _Kind, table: Path, configuration: Configuration, seed: int) -> None:
    """Train a grader and write its scores, last."""
    run, place, weight = kind.slides.context.run, table.parent, configuration.balance_weight
    net = train_slide_grader(
        net=run.grade.transmil,
        real=kind.real,
        synthetic=kind.synthetic[configuration.variant] if weight else [],
        balance_weight=weight,
        folder=place,
        seed=derive(run.seed, "slides", seed),
        grader=kind.grader,
    )
    scores, attention = [], []
    for data_set, split, bags in kind.tested:
        names = {"data_set": data_set, "split": split}
        scores.append(score_rows(net, bags).assign(**names))
        attention.append(attention_table(net, bags).assign(**names))
    facts = {"grader": kind.grader, "encoder": kind.encoder, "fold": run.data.fold}
    rows = label_rows(pd.concat(scores), configuration, run.seed, seed).assign(**facts)
    save_weights(place / f"{kind.grader}.safetensors", net)
    write_parquet(place / ATTENTION, pd.concat(attention, ignore_index=True))
    write_table(table, [rows], SCORES)
    (place / CHECKPOINT).unlink(missing_ok=True)


def _join(path: Path, tables: Sequence[Path]) -> None:
    write_table(path, [read_table(table, SCORES, "delete it") for table in tables], SCORES)
