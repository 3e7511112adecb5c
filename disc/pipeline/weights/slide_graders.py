"""What grades from features: slide graders on the encoder that a run, or its user, names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.bags import read_bags
from disc.grade.features import read_features
from disc.pipeline.configurations import ENCODER, features_of
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import scored_slides
from disc.pipeline.weights.graders import read_examples
from disc.pipeline.weights.heads import find_heads, hash_files
from disc.pipeline.weights.source import Weights
from disc.pipeline.weights.trained import TrainedWeights
from disc.settings.grading import EncoderName
from disc.slides.from_slide_graders import SlideExamples, SlideGrading
from disc.slides.graders import SlideGraders
from disc.slides.judging.calibrate import MAX_TRAIN_TILES

T = TypeVar("T")
MAX_TRAIN_SLIDES = 200
"""Whose features are read to know what is familiar."""


def choose_encoder(weights: Weights, encoder: EncoderName | None) -> EncoderName:
    """Whose features slide graders are asked to read.

    Args:
        weights: of a run, or exported ones, which know the embedded encoder alone.
        encoder: that the user names; None: the run's, if it has one alone.

    Raises:
        BadInput: if the run has several, or not this one.
    """
    known: tuple[EncoderName, ...] = (ENCODER,)
    if isinstance(weights, TrainedWeights):
        known = weights.context.run.grade.encoders
    listed = ", ".join(known)
    if encoder is None and len(known) > 1:
        raise BadInput(
            f"{weights.folder}: has slide graders on several encoders; say with --encoder whose "
            f"features these are: {listed}"
        )
    chosen = known[0] if encoder is None else encoder
    if chosen not in known:
        raise BadInput(f"{weights.folder}: no slide graders on {chosen}; it has them on {listed}")
    return chosen


def open_slide_grading(weights: Weights, name: str, encoder: EncoderName) -> SlideGrading:
    """Slide graders on an encoder other than the embedded one.

    Args:
        weights: of a run.
        name: of a configuration, such as `real`.
        encoder: one of the run's.

    Raises:
        BadInput: if they are not trained, read superpixels alone, or nothing is there to
            calibrate them.
    """
    assert isinstance(weights, TrainedWeights)  # `choose_encoder` says so
    graders = _open_graders(weights.context, name, encoder)
    return SlideGrading(graders, _read_examples(weights.context, encoder))


def _open_graders(context: Context, name: str, encoder: EncoderName) -> SlideGraders:
    heads = find_heads(context, name, encoder)
    return SlideGraders(
        folder=context.folder,
        name=name,
        hashes=hash_files(context.folder, heads.files),
        is_simulated=context.is_simulated,
        encoder=encoder,
        nets=heads.load(),
    )


def _read_examples(context: Context, encoder: EncoderName) -> SlideExamples:
    """Features that the run has of its training tiles, and of its validation slides."""
    tiles, folder = read_examples(context), context.folder / features_of(encoder) / "real"
    scored = scored_slides(tiles.val)
    if not scored:
        raise BadInput(
            f"{context.root}: no validation slide of known score in fold {context.run.data.fold}; "
            "thresholds of slide graders are set on them"
        )
    train = np.concatenate(list(_sample(folder, tiles.train)))
    return SlideExamples(train=train, val=read_bags(folder, scored))


def _sample(folder: Path, train: TileSet) -> Iterator[npt.NDArray[np.float32]]:
    """Features of some tiles of training slides, both taken evenly."""
    names = _take_evenly(sorted({tile.slide_id for tile in train.tiles}), MAX_TRAIN_SLIDES)
    for name in names:
        features = read_features(folder / f"{name}.h5")
        rows = _take_evenly(range(len(features)), -(-MAX_TRAIN_TILES // len(names)))
        yield features[list(rows)]


def _take_evenly(items: Sequence[T], count: int) -> list[T]:
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]
