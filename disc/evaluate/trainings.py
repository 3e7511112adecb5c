"""Intervals over trainings and slides together: what another training on other slides may show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.evaluate.bootstrap import Array, Statistic, cluster_weights
from disc.seeds import numpy_generator


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingsEstimate:
    """A mean over trainings and masks with its interval; NaN where there is none.

    Attributes:
        by_training: the mean of each training.
        masks: values a training.
        slides: independent slides that they come from.
    """

    value: float
    low: float
    high: float
    by_training: tuple[float, ...]
    masks: int
    slides: int


def training_weights(num: int, draws: int, seed: int) -> Array:
    """How often each training comes up in each draw, [draws, trainings].

    One fewer than there are is drawn (Rao and Wu 1988): with few trainings, drawing all of them
    would make the variance of the mean too small, by a third where there are three.
    """
    if num == 1:
        return np.ones((draws, 1))
    generator = numpy_generator(seed, "bootstrap over trainings", num)
    return generator.multinomial(num - 1, np.full(num, 1 / num), size=draws).astype(np.float64)


def trainings_interval(
    values: npt.ArrayLike, slides: npt.ArrayLike, *, draws: int, seed: int, level: float = 0.95
) -> TrainingsEstimate:
    """Mean over all values, with an interval over resampled trainings and, crossed, slides.

    All trainings are asked for the same masks, so a slide that is drawn is drawn for all of them.
    With one training the interval is over slides alone. With two or three it is coarse.

    Args:
        values: [trainings, masks]; NaN where a training has none, which leaves it out of that
            training's mean.
        slides: the slide of each mask, [masks].
        draws: of the bootstrap.
        seed: of the bootstrap.
        level: fraction of the draws inside the interval.

    >>> found = trainings_interval([[1.0, 2.0], [3.0, 4.0]], ["a", "b"], draws=100, seed=0)
    >>> found.value, found.by_training
    (2.5, (1.5, 3.5))
    """
    numbers = np.atleast_2d(np.asarray(values, np.float64))
    names, codes = np.unique(np.asarray(slides), return_inverse=True)
    means = [_mean_of_slides(row, codes, len(names)) for row in numbers]
    value, low, high = trainings_bootstrap(means, len(names), draws=draws, seed=seed, level=level)
    every = np.ones((1, len(names)))
    return TrainingsEstimate(
        value=float(value[0]),
        low=float(low[0]),
        high=float(high[0]),
        by_training=tuple(float(mean(every)[0, 0]) for mean in means),
        masks=numbers.shape[1],
        slides=len(names),
    )


def trainings_bootstrap(
    statistics: Sequence[Statistic],
    num_slides: int,
    *,
    draws: int,
    seed: int,
    level: float = 0.95,
) -> tuple[Array, Array, Array]:
    """The mean of a statistic over trainings, with an interval over both, crossed.

    Args:
        statistics: one a training, each of the same slides' weights; see `cluster_bootstrap`.
        num_slides: how many slides there are; with one there is no interval (NaN).
        draws: of the bootstrap.
        seed: of the bootstrap.
        level: fraction of the draws inside the interval.

    Returns:
        value, low and high, each [K].
    """
    every = np.ones((1, num_slides))
    value: Array = np.mean([statistic(every)[0] for statistic in statistics], axis=0)
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    if num_slides < 2:
        return value, low, high
    trainings = training_weights(len(statistics), draws, seed)
    trainings /= trainings.sum(axis=1, keepdims=True)
    slides = cluster_weights(num_slides, draws, seed)
    # sum_t u_{d,t} statistic_t(w_d): [draws, K]; a training that is not drawn cannot spoil a draw
    drawn = np.zeros((draws, len(value)))
    for weights, statistic in zip(trainings.T, statistics, strict=True):
        found = statistic(slides)
        drawn += np.where(weights[:, None] > 0, weights[:, None] * found, 0)
    tail = (1 - level) / 2
    usable = np.isfinite(value) & np.isfinite(drawn).any(axis=0)
    if usable.any():
        low[usable], high[usable] = np.nanquantile(drawn[:, usable], [tail, 1 - tail], axis=0)
    return value, low, high


def trainings_difference(
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    slides: npt.ArrayLike,
    *,
    draws: int,
    seed: int,
) -> TrainingsEstimate:
    """Mean of `one` - `other`, paired by training and mask; else as `trainings_interval`."""
    difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    return trainings_interval(difference, slides, draws=draws, seed=seed)


def _mean_of_slides(values: Array, codes: npt.NDArray[np.int64], num: int) -> Statistic:
    """The mean of one training's values over weighted slides; NaN where none of them has one."""
    is_there = np.isfinite(values)
    sums = np.bincount(codes, np.where(is_there, values, 0), num)
    counts = np.bincount(codes, is_there, num)

    def mean(weights: Array) -> Array:
        above, below = weights @ sums, weights @ counts
        result = np.full(len(weights), np.nan)
        np.divide(above, below, out=result, where=below > 0)
        return result[:, None]

    return mean
