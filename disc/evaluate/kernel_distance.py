"""Kernel inception distance between sets of tiles, on features of an evaluation network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from disc.evaluate.bootstrap import Array, Statistic, cluster_bootstrap

DEGREE = 3
"""Of the polynomial kernel."""
MIN_DEVIATION = 0.1
"""Of a channel that is used, in medians of the channels' standard deviations."""


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of some tiles and the slides that these belong to.

    Attributes:
        features: float64 [N, D].
        slides: [N].
    """

    features: Array
    slides: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.features) != len(self.slides):
            raise ValueError(f"{len(self.features)} tiles, slides of {len(self.slides)}")


@dataclass(frozen=True, eq=False)
class Distances:
    """Kernel distances of several sets to one of real tiles; arrays are [K], one entry a set.

    Attributes:
        value: the distances.
        low: of their intervals.
        high: of their intervals.
        gain: differences to the first set's distance; below 0: nearer to the real tiles.
        gain_low: of their intervals.
        gain_high: of their intervals.
    """

    value: Array
    low: Array
    high: Array
    gain: Array
    gain_low: Array
    gain_high: Array


def kernel(one: Array, other: Array) -> Array:
    """(x y / D + 1)^3 of all pairs, [N, M], of features [N, D] and [M, D].

    Bińkowski et al. 2018, Demystifying MMD GANs.
    """
    products: Array = (one @ other.T / one.shape[1] + 1) ** DEGREE
    return products


def kernel_distance(one: Array, other: Array) -> float:
    """Unbiased squared maximum mean discrepancy (KID) of two sets of features, in float64.

    Unbiased: a tile is not compared with itself. Two samples of the same tiles are 0 apart on
    average, and below it as often as above.

    Args:
        one: [N, D], N >= 2.
        other: [M, D], M >= 2.

    >>> features = np.random.default_rng(0).normal(size=(50, 8))
    >>> kernel_distance(features, features + 1) > 1
    True
    """
    # sum_{i != j} k(x_i, x_j) / N(N-1) + sum_{i != j} k(y_i, y_j) / M(M-1) - 2 mean k(x_i, y_j)
    return _mean_of_pairs(one) + _mean_of_pairs(other) - 2 * float(kernel(one, other).mean())


def kernel_distances(
    sets: Mapping[str, FeatureSet], real: FeatureSet, *, draws: int, seed: int
) -> Distances:
    """Kernel distance of each set to real tiles, with intervals over resampled slides.

    A slide takes along all its tiles, in every set and among the real ones, so differences are
    paired. A slide that is drawn twice counts as two, whose tiles are not compared with each other.
    Close to 0, where sets cannot be told apart, intervals are wider than they need be.

    Args:
        sets: by name; differences are to the first.
        real: real tiles.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """
    statistic, num_slides = distance_statistic(sets, real, [next(iter(sets))])
    found = cluster_bootstrap(statistic, num_slides, draws=draws, seed=seed)
    return Distances(*(part[: len(sets)] for part in found), *(part[len(sets) :] for part in found))


def distance_statistic(
    sets: Mapping[str, FeatureSet], real: FeatureSet, bases: Sequence[str]
) -> tuple[Statistic, int]:
    """Kernel distances as a function of the slides' weights.

    Args:
        sets: by name; K of them.
        real: real tiles.
        bases: names of B sets that all are compared to.

    Returns:
        Weights [draws, C] -> [draws, (1 + B) K]: distances of the sets, then their differences to
        each base's; and C, the number of slides, which are in the order of their names.
    """
    everything = [*sets.values(), real]
    names = sorted(set(chain.from_iterable(part.slides for part in everything)))
    places = {name: i for i, name in enumerate(names)}
    codes = [np.array([places[name] for name in part.slides]) for part in everything]
    within = [
        _block_sums(part.features, code, len(names))
        for part, code in zip(everything, codes, strict=True)
    ]
    across = [
        _cross_sums(part.features, code, real.features, codes[-1], len(names))
        for part, code in zip(sets.values(), codes[:-1], strict=True)
    ]

    compared = [list(sets).index(base) for base in bases]

    def statistic(weights: Array) -> Array:
        *own, reals = [_weigh_pairs(weights, *block) for block in within]
        distances = [
            mine + reals - 2 * _weigh_across(weights, *cross)
            for mine, cross in zip(own, across, strict=True)
        ]
        values = np.stack(distances, axis=1)
        gains = [values - values[:, [place]] for place in compared]
        return np.concatenate([values, *gains], axis=1)

    return statistic, len(names)


def standardise(features: Array, reference: Array) -> Array:
    """Features [N, D], each of mean 0 and standard deviation 1 over the reference [M, D].

    Channels of a network trained here have no scale of their own, and the kernel is a cubic:
    without this the few widest decide, and two trainings of the network cannot be compared.
    Channels that hardly vary over the reference, less than a tenth of the median, are left out:
    divided by so little, one tile in which they do would be the whole distance.
    """
    deviation = reference.std(axis=0)
    kept = (deviation > 0) & (deviation >= MIN_DEVIATION * np.median(deviation))
    scaled: Array = (features[:, kept] - reference.mean(axis=0)[kept]) / deviation[kept]
    return scaled


def match_labels(
    targets: Array, real: Array
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], float]:
    """Pairs of asked masks and real tiles whose label fractions differ least in all.

    Every mask and every tile is in one pair at most.

    Args:
        targets: label fractions of the masks asked for, [N, 4].
        real: label fractions of real tiles, [M, 4].

    Returns:
        Masks and tiles of the min(N, M) pairs, and the mean fraction of the tile in which the
        labels of a pair differ, 0..1.
    """
    # half the L1 distance of two distributions: the fraction that would have to change its label
    cost = np.abs(targets[:, None] - real[None]).sum(axis=2) / 2
    rows, columns = linear_sum_assignment(cost)
    return rows, columns, float(cost[rows, columns].mean())


def _mean_of_pairs(features: Array) -> float:
    num = len(features)
    products = kernel(features, features)
    return float((products.sum() - np.trace(products)) / (num * (num - 1)))


def _block_sums(features: Array, codes: npt.NDArray[np.int64], num: int) -> tuple[Array, Array]:
    """Sums of the kernel over pairs of different tiles by their slides, and how many, [C, C]."""
    products = kernel(features, features)
    np.fill_diagonal(products, 0)
    pairs = 1 - np.eye(len(features))
    return _sum_by(products, codes, codes, num), _sum_by(pairs, codes, codes, num)


def _cross_sums(
    one: Array, codes: npt.NDArray[np.int64], other: Array, others: npt.NDArray[np.int64], num: int
) -> tuple[Array, Array]:
    products = kernel(one, other)
    return _sum_by(products, codes, others, num), _sum_by(
        np.ones_like(products), codes, others, num
    )


def _sum_by(
    values: Array, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], num: int
) -> Array:
    cells = (rows[:, None] * num + columns[None]).ravel()
    sums: Array = np.bincount(cells, values.ravel(), num * num).reshape(num, num).astype(np.float64)
    return sums


def _weigh_pairs(weights: Array, sums: Array, counts: Array) -> Array:
    """Mean over pairs of one set: slides s != t weigh w_s w_t, a slide with itself w_s; [draws]."""
    return _divide(_pair_sum(weights, sums), _pair_sum(weights, counts))


def _pair_sum(weights: Array, sums: Array) -> Array:
    inner = np.diag(sums)
    between = sums - np.diag(inner)
    total: Array = np.einsum("dc,dc->d", weights @ between, weights) + weights @ inner
    return total


def _weigh_across(weights: Array, sums: Array, counts: Array) -> Array:
    above, below = (np.einsum("dc,dc->d", weights @ part, weights) for part in (sums, counts))
    return _divide(above, below)


def _divide(above: Array, below: Array) -> Array:
    """NaN where a draw holds no pair."""
    result = np.full(above.shape, np.nan)
    np.divide(above, below, out=result, where=below > 0)
    return result
