"""Intervals from resampling whole clusters (patients, slides), never single tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.seeds import numpy_generator

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Weights of the clusters [draws, clusters] -> values [draws, K], one row a draw."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A number with its interval; NaN where it, or the interval, cannot be had.

    Attributes:
        n: observations that it rests on.
        clusters: independent clusters (patients or slides) that they come from.
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int


def cluster_weights(num_clusters: int, draws: int, seed: int) -> Array:
    """How often each cluster comes up in each bootstrap draw, [draws, clusters].

    The same number of clusters and seed give the same draws, so statistics computed from them
    are paired.

    >>> cluster_weights(3, draws=2, seed=0).sum(axis=1)
    array([3., 3.])
    """
    generator = numpy_generator(seed, "bootstrap", num_clusters)
    fraction = np.full(num_clusters, 1 / num_clusters)
    return generator.multinomial(num_clusters, fraction, size=draws).astype(np.float64)


def cluster_bootstrap(
    statistic: Statistic, num_clusters: int, *, draws: int, seed: int, level: float = 0.95
) -> tuple[Array, Array, Array]:
    """Values of a statistic with percentile intervals over resampled clusters.

    Draws in which a value is not defined (a label without positives) are left out of its
    interval. With fewer than two clusters there is no interval (NaN). With few clusters, say
    below 20, percentile intervals are too narrow.

    Returns:
        value, low and high, each [K].

    >>> cluster_bootstrap(lambda weights: weights @ np.ones((3, 1)), 3, draws=9, seed=0)
    (array([3.]), array([3.]), array([3.]))
    """
    value = statistic(np.ones((1, num_clusters)))[0]
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    if num_clusters < 2:
        return value, low, high
    drawn = statistic(cluster_weights(num_clusters, draws, seed))
    tail = (1 - level) / 2
    usable = np.isfinite(value) & np.isfinite(drawn).any(axis=0)
    if usable.any():
        low[usable], high[usable] = np.nanquantile(drawn[:, usable], [tail, 1 - tail], axis=0)
    return value, low, high


def mean_interval(
    values: npt.ArrayLike, clusters: npt.ArrayLike, *, draws: int, seed: int, level: float = 0.95
) -> Estimate:
    """Mean over all values, with an interval over resampled clusters.

    Args:
        values: [N], finite.
        clusters: [N], the cluster of each value.
        draws: of the bootstrap.
        seed: of the bootstrap.
        level: fraction of the draws inside the interval.

    Raises:
        ValueError: if a value is not finite.

    >>> mean_interval([1.0, 2.0, 3.0], ["a", "a", "b"], draws=99, seed=0).value
    2.0
    """
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{(~np.isfinite(numbers)).sum()} of {len(numbers)} values not finite")
    names, codes = np.unique(np.asarray(clusters), return_inverse=True)
    if not len(numbers):
        return Estimate(value=np.nan, low=np.nan, high=np.nan, n=0, clusters=0)
    sums = np.bincount(codes, numbers, len(names))
    counts = np.bincount(codes, minlength=len(names)).astype(np.float64)
    value, low, high = cluster_bootstrap(
        lambda weights: ((weights @ sums) / (weights @ counts))[:, None],
        len(names),
        draws=draws,
        seed=seed,
        level=level,
    )
    return Estimate(
        value=float(value[0]),
        low=float(low[0]),
        high=float(high[0]),
        n=len(numbers),
        clusters=len(names),
    )
