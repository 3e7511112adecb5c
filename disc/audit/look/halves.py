"""Halves of the patients: how far synthetic tiles are from real ones, and real ones from real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.evaluate.bootstrap import Array

NUM_SPLITS = 40
"""Ways to halve the patients."""
Codes = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]
Measure = Callable[[Array, Array], npt.ArrayLike]
"""Features [N, D] of real tiles and [M, D] of others -> values [K], or one."""


@dataclass(frozen=True, eq=False)
class Halves:
    """Ways to halve the patients of both sets.

    Attributes:
        splits: tiles of a half of the real patients, of the other half, and of a half of the
            synthetic set's slides, as many of each.
        is_spread: whether these slides are two or more; of one there is no interval.
    """

    splits: Sequence[tuple[Codes, Codes, Codes]]
    is_spread: bool

    @property
    def smallest(self) -> int:
        """Tiles of the smallest half, which has few where one patient has most of them."""
        return min(len(one) for one, _, _ in self.splits)


def halve(owners: Names, num: int, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Tiles of two halves of the patients, at most `num` of each, as many of the one as the other.

    Patients are dealt in a random order to the half that has fewer tiles.
    """
    one, other = _draw(_deal(owners, rng), num, rng)
    return one, other


def halve_sets(owners: Names, makers: Names, most: int, rng: np.random.Generator) -> Halves:
    """Halves of the real tiles' patients and of the synthetic tiles' slides, at most `most` tiles.

    Distances fall with the number of tiles and of patients, so that of the synthetic tiles and the
    one between real tiles, its floor, are of equal numbers of both: of more slides than there are
    real patients, other ones in each split.
    """
    known = np.unique(makers)
    splits = []
    for _ in range(NUM_SPLITS):
        kept = rng.choice(known, min(len(known), len(np.unique(owners))), replace=False)
        some = np.flatnonzero(np.isin(makers, kept))
        made = some[_deal(makers[some], rng)[rng.integers(2)]] if len(kept) > 1 else some
        one, other, third = _draw((*_deal(owners, rng), made), most, rng)
        splits.append((one, other, third))
    return Halves(splits, len(known) > 1)


def compare(measure: Measure, real: Array, made: Array, halves: Halves) -> Array:
    """Rows of a measure's K values: value, low, high, floor and what 95 % of floors are below.

    Value and floor are means over the splits. A half's deviation from the mean of all halves is
    that of the whole from its expectation (Politis, Romano and Wolf 1999); where sets are equal,
    it is larger. A bootstrap would draw tiles twice, which makes a distribution narrower, and find
    distances larger than the value.
    """
    values, floors = [], []
    for one, other, third in halves.splits:
        values.append(np.atleast_1d(measure(real[one], made[third])))
        floors.append(np.atleast_1d(measure(real[one], real[other])))
    value = np.mean(values, axis=0)
    reach = 1.96 * np.std(values, axis=0, ddof=1) if halves.is_spread else np.nan
    beside = np.mean(floors, axis=0), np.quantile(floors, 0.95, axis=0)
    return np.stack([value, value - reach, value + reach, *beside])


def _deal(owners: Names, rng: np.random.Generator) -> tuple[Codes, Codes]:
    names, codes, counts = np.unique(owners, return_inverse=True, return_counts=True)
    side, sizes = np.zeros(len(names), np.int64), [0, 0]
    for name in rng.permutation(len(names)):
        side[name] = int(sizes[1] < sizes[0])
        sizes[side[name]] += int(counts[name])
    return np.flatnonzero(side[codes] == 0), np.flatnonzero(side[codes] == 1)


def _draw(parts: Sequence[Codes], num: int, rng: np.random.Generator) -> list[Codes]:
    """As many of each part as the smallest has, at most `num`."""
    least = min(num, *map(len, parts))
    return [np.sort(rng.choice(part, least, replace=False)) for part in parts]
