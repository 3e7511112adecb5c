"""Several trainings read side by side: every measure of a set of generated tiles, in one table.

A reading is a table of one training's tiles, a row a mask: the columns of
`disc.evaluate.agreement.measure_tiles`, those of `describe_tiles`, and `latent_mean` and
`latent_square`, the mean and the mean square of the tile's latent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from disc.evaluate.agreement import ACCURACY, AGREEMENT, FRACTIONS, PRIMARY, RECALLS, mean_recall
from disc.evaluate.bootstrap import Array, Statistic
from disc.evaluate.gradients import gradient_energy, seam_ratio
from disc.evaluate.kernel_distance import FeatureSet, distance_statistic, standardise
from disc.evaluate.quality import ENERGIES, Gallery
from disc.evaluate.trainings import (
    TrainingsEstimate,
    trainings_bootstrap,
    trainings_difference,
    trainings_interval,
)
from disc.labels import Label

PIXELS = [f"pixels_{label.name}" for label in Label]
FEATURE = "feature_"
Tables = Sequence[pd.DataFrame]
"""One a training, all of the same masks in the same order."""


def describe_tiles(gallery: Gallery) -> dict[str, Array]:
    """Features, gradient energy by label (sums, and over how many pixels) and seams, as columns."""
    energy, pixels = gradient_energy(gallery.images, gallery.masks)
    columns = {f"{FEATURE}{i}": column for i, column in enumerate(gallery.features.T)}
    columns |= dict(zip((*ENERGIES, *PIXELS), (*energy.T, *pixels.T), strict=True))
    return {**columns, "seam": seam_ratio(gallery.images, gallery.masks)}


def summarise_readings(
    readings: Mapping[str, Tables],
    real: Tables,
    slides: Sequence[str],
    bases: Mapping[str, str],
    *,
    draws: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Every measure of each reading, with intervals over trainings and slides.

    Args:
        readings: by name; one table a training.
        real: real tiles of the labels asked for, one table a training (whose networks gave the
            features), with a column `slide`.
        slides: of the masks.
        bases: readings to which differences of the primary measure, paired by training and mask,
            and of kid are given; by what columns call them.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        A row a reading: name; primary, agreement, accuracy, deviation (of latents) and kid, each
        with _low and _high; primary_of, the means of the trainings; to_BASE with _low and _high;
        kid_to_BASE with _low and _high (below 0: nearer to the real tiles); recall_NC .. over the
        masks that ask for it; energy_NC .. over that of the real tiles; seam, and theirs.
    """
    options = {"draws": draws, "seed": seed}
    primaries = {name: _stack(tables, _primary) for name, tables in readings.items()}
    distances = _distances(readings, real, slides, list(bases.values()), options)
    rows = []
    for number, (name, tables) in enumerate(readings.items()):
        primary = trainings_interval(primaries[name], slides, **options)
        row = {"name": name, "primary_of": primary.by_training} | _say(PRIMARY, primary)
        for column, base in bases.items():
            pair = primaries[name], primaries[base]
            row |= _say(f"to_{column}", trainings_difference(*pair, slides, **options))
        for key, measure in ((AGREEMENT, _agreement), (ACCURACY, _accuracy)):
            row |= _say(key, trainings_interval(_stack(tables, measure), slides, **options))
        row |= _three("deviation", *_deviation(tables, slides, options), 0)
        row |= _three("kid", *distances, number)
        for place, column in enumerate(bases, start=1):
            row |= _three(f"kid_to_{column}", *distances, place * len(readings) + number)
        rows.append(row | _texture(tables, real))
    return pd.DataFrame(rows)


def _stack(tables: Tables, measure: Any) -> Array:
    return np.stack([measure(table) for table in tables])


def _primary(table: pd.DataFrame) -> Array:
    return mean_recall(table[RECALLS].to_numpy(), table[FRACTIONS].to_numpy())


def _agreement(table: pd.DataFrame) -> Array:
    return mean_recall(table[RECALLS].to_numpy(), table[FRACTIONS].to_numpy(), 0)


def _accuracy(table: pd.DataFrame) -> Array:
    values: Array = table[ACCURACY].to_numpy(np.float64)
    return values


def _say(name: str, found: TrainingsEstimate) -> dict[str, Any]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _three(name: str, value: Array, low: Array, high: Array, place: int) -> dict[str, Any]:
    return {name: value[place], f"{name}_low": low[place], f"{name}_high": high[place]}


def _deviation(
    tables: Tables, slides: Sequence[str], options: Mapping[str, int]
) -> tuple[Array, Array, Array]:
    """Standard deviation of latents: sqrt(E z^2 - (E z)^2) over all tiles of a training."""
    names, codes = np.unique(np.asarray(slides), return_inverse=True)

    def statistic(table: pd.DataFrame) -> Statistic:
        columns = (table["latent_mean"], table["latent_square"], np.ones(len(table)))
        mean, square, count = (np.bincount(codes, part, len(names)) for part in columns)

        def deviation(weights: Array) -> Array:
            total = weights @ count
            value: Array = np.sqrt(weights @ square / total - (weights @ mean / total) ** 2)
            return value[:, None]

        return deviation

    statistics = [statistic(table) for table in tables]
    return trainings_bootstrap(statistics, len(names), **options)


def _distances(
    readings: Mapping[str, Tables],
    real: Tables,
    slides: Sequence[str],
    bases: Sequence[str],
    options: Mapping[str, int],
) -> tuple[Array, Array, Array]:
    """Kernel distances of all readings, then their differences to each base's, [(1 + B) K]."""
    statistics = []
    for training, reference in enumerate(real):
        target = _features(reference)
        sets = {
            name: FeatureSet(standardise(_features(tables[training]), target), slides)
            for name, tables in readings.items()
        }
        own = FeatureSet(standardise(target, target), list(reference["slide"]))
        statistics.append(distance_statistic(sets, own, bases))
    sizes = {num for _, num in statistics}
    if len(sizes) > 1:
        raise ValueError(f"trainings on different slides: {sorted(sizes)} of them")
    return trainings_bootstrap([one for one, _ in statistics], sizes.pop(), **options)


def _features(table: pd.DataFrame) -> Array:
    columns = [name for name in table if str(name).startswith(FEATURE)]
    values: Array = table[columns].to_numpy(np.float64)
    return values


def _texture(tables: Tables, real: Tables) -> dict[str, float]:
    """Means over the trainings of what has no interval."""
    found, reference = _join(tables), _join(real)
    row = {name: float(found[name].mean()) for name in RECALLS}
    for energy, pixels in zip(ENERGIES, PIXELS, strict=True):
        parts = [_divide(*map(float, part[[energy, pixels]].sum())) for part in (found, reference)]
        row[energy] = _divide(*parts)
    return row | {"seam": float(found["seam"].mean()), "seam_real": float(reference["seam"].mean())}


def _divide(above: float, below: float) -> float:
    return above / below if below else float("nan")


def _join(tables: Tables) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True)
