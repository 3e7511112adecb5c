"""Halves of the patients: how far synthetic tiles are from real ones, and real ones from real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from disc.audit.figures import Figure
from disc.evaluate.bootstrap import Array

NUM_SPLITS = 40
"""Ways to halve the patients."""
Codes = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]
Measure = Callable[[Array], Callable[[Array], npt.ArrayLike]]
"""Features [N, D] of some real tiles -> what says how others [M, D] lie to them: K values, or one.
Whatever is fitted (scale, components) is fitted to the former, which are in no comparison twice."""


@dataclass(frozen=True, eq=False)
class Halves:
    """Ways to halve the patients of both sets.

    Attributes:
        splits: tiles of a half of the real patients, of others of them, and of a half of the
            synthetic set's slides (of the patients of their masks, where a manifest names them),
            in a random order.
        is_spread: whether these slides are two or more; of one there is no interval.
    """

    splits: Sequence[tuple[Codes, Codes, Codes]]
    is_spread: bool

    @property
    def smallest(self) -> int:
        """Tiles of the smallest half, which has few where one patient has most of them."""
        return min(len(part) for split in self.splits for part in split)


def halve(owners: Names, num: int, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Tiles of two halves of the patients, at most `num` of each, as many of the one as the other.

    Patients are dealt in a random order to the half that has fewer tiles.
    """
    one, other = _deal(owners, rng)
    most = min(num, len(one), len(other))
    first, second = (np.sort(rng.choice(part, most, replace=False)) for part in (one, other))
    return first, second


def halve_sets(owners: Names, makers: Names, most: int, rng: np.random.Generator) -> Halves:
    """Halves of the real tiles' patients and of the synthetic tiles' slides, at most `most` tiles.

    Distances fall with the number of patients and slides. So of many slides a split takes as many
    as there are real patients (more where these have too few tiles), and beside few slides the
    other half of the patients has no more of them.
    """
    splits = []
    for _ in range(NUM_SPLITS):
        one, other = _deal(owners, rng)
        made = _halve_made(makers, owners, rng)
        other = _keep(other, owners, len(np.unique(makers[made])), rng)
        first, second, third = (rng.permutation(part)[:most] for part in (one, other, made))
        splits.append((first, second, third))
    return Halves(splits, len(np.unique(makers)) > 1)


def compare(
    measure: Measure, real: Array, made: Array, halves: Halves, *, is_even: bool = True
) -> Array:
    """Rows of a measure's K values: value, low, high, floor and what 95 % of floors are below.

    Value and floor are means over the splits; the interval is 1.96 deviations of a split's value,
    which is what the whole set's error is where a split holds half of it (Politis, Romano and Wolf
    1999), and larger where it holds less, or where the sets are equal. A bootstrap would draw tiles
    twice, which makes a distribution narrower, and find distances larger than the value.

    Args:
        measure: of features.
        real: features [N, D].
        made: features [M, D].
        halves: of both.
        is_even: take as many tiles of all parts, since the measure falls with their number.
    """
    values, floors = [], []
    for split in halves.splits:
        num = min(map(len, split)) if is_even else None
        one, other, third = (part[:num] for part in split)
        measured = measure(real[one])
        values.append(np.atleast_1d(measured(made[third])))
        floors.append(np.atleast_1d(measured(real[other])))
    value = np.mean(values, axis=0)
    reach = 1.96 * np.std(values, axis=0, ddof=1) if halves.is_spread else np.nan
    beside = np.mean(floors, axis=0), np.quantile(floors, 0.95, axis=0)
    return np.stack([value, value - reach, value + reach, *beside])


def fill(figure: Figure, row: Array) -> Figure:
    """The figure with one value of what `compare` gives, [5]."""
    value, low, high, floor, floor_high = map(float, row)
    return replace(figure, value=value, low=low, high=high, floor=floor, floor_high=floor_high)


def _halve_made(makers: Names, owners: Names, rng: np.random.Generator) -> Codes:
    """Tiles of half of the slides; of half of some, where there are more than real patients."""
    known, counts = np.unique(makers, return_counts=True)
    order = rng.permutation(len(known))
    enough = int(np.searchsorted(np.cumsum(counts[order]), len(owners))) + 1
    kept = known[order[: max(enough, len(np.unique(owners)))]]
    some = np.flatnonzero(np.isin(makers, kept))
    if len(kept) < 2:
        return some
    made: Codes = some[_deal(makers[some], rng)[0]]
    return made


def _keep(tiles: Codes, owners: Names, num: int, rng: np.random.Generator) -> Codes:
    """Those of at most so many patients."""
    known = np.unique(owners[tiles])
    kept = rng.choice(known, min(num, len(known)), replace=False)
    return tiles[np.isin(owners[tiles], kept)]


def _deal(owners: Names, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Tiles of two halves of the patients, in either order."""
    names, codes, counts = np.unique(owners, return_inverse=True, return_counts=True)
    side, sizes = np.zeros(len(names), np.int64), [0, 0]
    for name in rng.permutation(len(names)):
        side[name] = int(sizes[1] < sizes[0])
        sizes[side[name]] += int(counts[name])
    first = rng.integers(2)
    return np.flatnonzero(side[codes] == first), np.flatnonzero(side[codes] != first)
