"""An audit's short form: some tiles of several synthetic sets, cheap enough for every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from disc.audit.copies.detector import MIN_NULL, Detector, Effort, calibrate
from disc.audit.copies.new import tell_rate
from disc.audit.copies.screen import SmallTiles
from disc.audit.encoders import see
from disc.audit.figures import Figure, refuse, settle, to_table
from disc.audit.look.nearness import measure_nearness
from disc.audit.look.tissue import measure_coherence, measure_gradient
from disc.audit.seams.steps import measure_seams
from disc.audit.sets import AuditSet, hold
from disc.data.tiles.tile_set import TileSet
from disc.labels import Label
from disc.seeds import numpy_generator

EFFORT = Effort(null=200, planted=40, kinds=("flipped", "quarter"))
"""Of the calibration of copies; an audit's rests on more."""
MOST_REAL, MOST_MADE = 300, 256
"""Tiles of the test slides and of every synthetic set."""
MOST_SEARCHED = 128
"""Of each of these, tiles that are searched for copies."""


def audit_briefly(
    test: TileSet, training: TileSet, sets: Mapping[str, TileSet], *, seed: int
) -> pd.DataFrame:
    """Gradient energy by label, fibres, nearness in fixed filters, seams and copies of some tiles.

    Args:
        test: tiles of patients that no generator saw.
        training: tiles that the generators were trained on.
        sets: synthetic tiles by variant.
        seed: of samples and planted copies.

    Returns:
        A row a variant and figure: variant, and what `disc audit --table` has.
    """
    if not sets or not len(test):
        return pd.DataFrame()
    real = hold("test slides", draw_some(test, MOST_REAL, seed))
    held = {
        variant: hold(variant, draw_some(tiles, MOST_MADE, seed)) for variant, tiles in sets.items()
    }
    detector = None
    patients = [training.slides[tile.slide_id].patient_id for tile in training.tiles]
    if len(training) >= MIN_NULL and len(set(patients)) > 1:
        # the variants of a run are about as soft as each other
        some = next(iter(held.values())).images
        detector = calibrate(SmallTiles(training), patients, some, seed=seed, effort=EFFORT)
    parts = []
    for variant, made in held.items():
        views = see("texture", real, made, None)
        near = measure_nearness("texture", views, real, made, seed=seed, is_brief=True)
        seams = [one for one in measure_seams(real, made) if one.name == "seam.beyond-real"]
        figures = [*near, *seams]
        figures += [measure_gradient((real, made), label) for label in Label]
        figures.append(measure_coherence((real, made), Label.NC))
        figures.append(_find_copies(made, detector, len(training)))
        parts.append(to_table([settle(one) for one in figures]).assign(variant=variant))
    return pd.concat(parts, ignore_index=True)


def draw_some(tiles: TileSet, most: int, seed: int) -> TileSet:
    """At most so many tiles of a set, at random."""
    order = numpy_generator(seed, "brief audit").permutation(len(tiles))[:most]
    return replace(tiles, tiles=tuple(tiles.tiles[i] for i in sorted(order)))


def _find_copies(made: AuditSet, detector: Detector | None, num_training: int) -> Figure:
    figure = Figure(part="new", name="copies", text="copies of real tiles, whole or in part")
    if detector is None:
        return refuse(figure, num_training, MIN_NULL, "training tiles of 2 patients or more")
    images = made.images[:MOST_SEARCHED]
    # a search that would be refused is spared
    flags = detector.find(images)[0] if detector.is_able else np.zeros(len(images), bool)
    return tell_rate(figure, flags, detector)
