"""What graders are trained and tested on, and the rows that they write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from disc.data.readers.sicapv2 import read_split
from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import TileSet
from disc.files import write_parquet
from disc.grade.given_features import GivenSet
from disc.pipeline.configurations import Configuration
from disc.pipeline.context import Context
from disc.settings.synthesis import Variant

SCORES = ["patient", "slide", "label", "truth", "score"]


def can_grade_slides(context: Context) -> bool:
    """Slide grading needs training and test slides of their own, with scores."""
    patients = {slide.patient_id for slide in scored_slides(context.training_set)}
    return not context.split.by_position and len(patients) > 1


def scored_slides(tiles: TileSet) -> list[Slide]:
    """Slides with a Gleason score."""
    return [slide for slide in tiles.slides.values() if slide.primary is not None]


def read_synthetic(context: Context, variant: Variant) -> TileSet:
    """The synthetic slides of a variant."""
    return context.read(context.folder / "synthetic" / variant)


def test_sets(context: Context, masks: str = "masks") -> Iterator[tuple[str, str, TileSet]]:
    """(data set, split, tiles) of everything that graders are judged on."""
    run = context.run
    split = read_split(context.root, run.data.fold, context.read(context.root, masks))
    yield "in", "val", split.val
    yield "in", "test", split.test
    if context.external_root is not None:
        yield "shifted", "test", context.read_external(context.external_root, masks)


def graded_sets(context: Context, variants: Sequence[Variant]) -> Iterator[tuple[str, TileSet]]:
    """(folder of features, tiles) of all that slide graders are trained or judged on.

    Args:
        context: of the run.
        variants: those whose synthetic slides there are.
    """
    yield "real", context.training_set
    for data_set, _, tiles in test_sets(context):
        yield "real" if data_set == "in" else data_set, tiles
    for variant in variants:
        yield variant, read_synthetic(context, variant)


def given_sets(
    context: Context, variants: Sequence[Variant], source: Path, folder: Path
) -> Iterator[GivenSet]:
    """What another program encoded of it, in `source`, and where its copies go."""
    for place, tiles in graded_sets(context, variants):
        yield GivenSet(tiles=tiles, source=source / place, target=folder / place)


def label_rows(
    rows: pd.DataFrame, configuration: Configuration, generator_seed: int, seed: int
) -> pd.DataFrame:
    """Rows with the columns that say which grader they are of."""
    return rows.assign(
        variant=configuration.variant,
        balance_weight=configuration.balance_weight,
        generator_seed=generator_seed,
        grader_seed=seed,
    )


def write_table(path: Path, parts: list[pd.DataFrame], columns: list[str]) -> None:
    """Write a table as Parquet; without parts, one of no rows."""
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    write_parquet(path, table)
