"""A grade from features of tiles that somebody has computed already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from disc.data.wsi.coordinates import read_coordinates
from disc.files import BadInput
from disc.grade.features import likeliest_labels, read_features
from disc.labels import NUM_LABELS
from disc.slides.graders import Graders
from disc.slides.judging.calibration import Calibration
from disc.slides.judging.record import GradeRecord, write_record
from disc.slides.judging.verdict import Evidence, judge
from disc.slides.make_record import describe_source, make_record, make_stamp
from disc.slides.writing.geojson import Stamp, write_features
from disc.slides.writing.page import Shown, write_page
from disc.slides.writing.tiles import TileReading, tile_features, write_table

NUM_FEATURES = 72
"""Of the embedded encoder: first the log odds of each label's mean over the tile."""
BLOCK_TILES = 16
"""Tiles that follow each other, and are resampled together."""


def grade_features(
    graders: Graders, calibration: Calibration, path: Path, folder: Path
) -> GradeRecord:
    """Grade from features of the run's encoder: each tile counts for its likeliest label.

    There is no map, and no area.

    Args:
        graders: whose slide graders read the features.
        calibration: of these graders.
        path: HDF5 with `features` [N, 72] and `coords` [N, 2].
        folder: that is empty.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it is damaged, holds features of another encoder, or the run has no slide
            graders.
    """
    if not graders.slide:
        raise BadInput(
            f"{graders.folder}: no slide graders '{graders.name}' in it to read features"
        )
    features = read_features(path)
    if features.shape[1] != NUM_FEATURES:
        raise BadInput(
            f"{path}: {features.shape[1]} features a tile; the slide graders of {graders.folder} "
            f"read the {NUM_FEATURES} of the run's own encoder; give those, or the slide itself"
        )
    if calibration.tile_floors is None:
        raise BadInput(
            f"{graders.folder}: no validation slide of known score, or no embedded encoder, to say "
            "how many tiles make a pattern; give the slide itself"
        )
    # the other floors are of pixels
    calibration = replace(
        calibration, floors=calibration.tile_floors, cancer_floor=None, focus_mm2=None
    )
    verdict = judge(_count_tiles(features), calibration, graders.slide)
    num_tiles = _write_tiles(
        folder, path, features, make_stamp(graders, verdict, slide=path.stem, version="features")
    )
    record = make_record(
        graders,
        verdict,
        floors=calibration.named_floors,
        far=calibration.far,
        source=describe_source(graders, path, None),
        num_tiles=num_tiles,
        tissue_mm2=None,
        map=None,
        regions=None,
    )
    write_record(folder, record)
    write_page(folder / "report.html", Shown(record=record))
    return record


def _count_tiles(features: npt.NDArray[np.float32]) -> Evidence:
    """Tiles by their likeliest label, in all and among those that follow each other."""
    labels = np.eye(NUM_LABELS)[likeliest_labels(features)]
    starts = np.arange(0, len(labels), BLOCK_TILES)
    return Evidence(
        areas=labels.sum(0),
        blocks=np.add.reduceat(labels, starts, axis=0)[None],
        opinions=("encoder",),
        num_seeds=1,
        features=features,
        distances=np.empty(0),
        has_areas=False,
    )


def _write_tiles(folder: Path, path: Path, features: npt.NDArray[np.float32], stamp: Stamp) -> int:
    """The tiles, where the file says where they are and how wide."""
    try:
        with h5py.File(path, "r") as file:
            has_places = "coords" in file
        placed = read_coordinates(path) if has_places else None
    except BadInput:
        placed = None
    if placed is None or len(placed.xy) != len(features):
        return len(features)
    odds = np.clip(features[:, :NUM_LABELS].astype(np.float64), -20, 20)
    shares = 1 / (1 + np.exp(-odds))
    shares /= shares.sum(1, keepdims=True)
    side = round(placed.side)
    tiles = [
        TileReading(
            left=int(x), top=int(y), right=int(x) + side, bottom=int(y) + side, probabilities=p
        )
        for (x, y), p in zip(placed.xy, shares, strict=True)
    ]
    write_table(folder / "tiles.csv", tiles, None)
    write_features(folder / "tiles.geojson.gz", tile_features(tiles, stamp))
    return len(tiles)
