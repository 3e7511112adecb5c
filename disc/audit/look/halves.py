"""Halves of patients: what a measure is between those of the real ones, and how it varies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from disc.evaluate.bootstrap import Array
from disc.seeds import numpy_generator

NUM_SPLITS = 12
"""Ways to halve the real patients."""
_NUM_DRAWS = 60
"""Halves of the clusters of both sets, for an interval."""
_LEAST = 10
"""Tiles that a half needs."""
Codes = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]
Measure = Callable[[Array, Array], npt.ArrayLike]
"""Features [N, D] of real tiles and [M, D] of others -> values [K], or one."""


def halve(owners: Names, num: int, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Tiles of two halves of the patients, at most `num` of each, as many of the one as the other.

    Patients are dealt in a random order to the half that has fewer tiles.
    """
    names, codes, counts = np.unique(owners, return_inverse=True, return_counts=True)
    side, sizes = np.zeros(len(names), np.int64), [0, 0]
    for name in rng.permutation(len(names)):
        side[name] = int(sizes[1] < sizes[0])
        sizes[side[name]] += int(counts[name])
    parts = [np.flatnonzero(side[codes] == half) for half in range(2)]
    return _draw(parts[0], parts[1], min(num, *map(len, parts)), rng)


def split_patients(owners: Names, num: int, rng: np.random.Generator) -> list[tuple[Codes, Codes]]:
    """Halves of the patients in several ways, all of one size, at most `num` tiles.

    A distance that falls with the number of tiles can be held beside no floor of another number.
    """
    halves = [halve(owners, num, rng) for _ in range(NUM_SPLITS)]
    least = min(len(one) for one, _ in halves)
    return [_draw(one, other, least, rng) for one, other in halves]


def _draw(one: Codes, other: Codes, num: int, rng: np.random.Generator) -> tuple[Codes, Codes]:
    first, second = (np.sort(rng.choice(part, num, replace=False)) for part in (one, other))
    return first, second


def tell_floor(
    measure: Measure, real: Array, halves: Sequence[tuple[Codes, Codes]]
) -> tuple[Array, Array]:
    """A measure between halves of the real tiles: mean, and what 95 % are below, each [K]."""
    values = np.array([np.atleast_1d(measure(real[one], real[other])) for one, other in halves])
    return values.mean(axis=0), np.quantile(values, 0.95, axis=0)


def subsample(
    measure: Measure, real: tuple[Array, Names], made: tuple[Array, Names]
) -> tuple[Array, Array, Array]:
    """Value, low and high of a measure, none below 0, each [K]; features come with their owners.

    Tiles that are drawn twice are their own neighbours and make a distribution narrower, so a
    bootstrap's distances lie above the value. The interval is of random halves of the clusters
    without repetition instead (Politis, Romano and Wolf 1999).
    """
    rng, drawn = numpy_generator(0, "subsampling"), []
    for _ in range(_NUM_DRAWS):
        chosen = [_half_of(names, rng) for _, names in (real, made)]
        if min(map(len, chosen)) > _LEAST:
            drawn.append(np.atleast_1d(measure(real[0][chosen[0]], made[0][chosen[1]])))
    value = np.atleast_1d(measure(real[0], made[0])).astype(np.float64)
    # the error of a half is sqrt(2) times that of the whole, and the half holds half of it
    deviation = np.std(drawn, axis=0) if drawn else np.full(len(value), np.nan)
    return value, (value - 1.96 * deviation).clip(0), value + 1.96 * deviation


def _half_of(names: Names, rng: np.random.Generator) -> Codes:
    owners = np.unique(names)
    kept = rng.choice(owners, max(1, len(owners) // 2), replace=False)
    return np.flatnonzero(np.isin(names, kept))
