"""A figure of an audit: a number with its interval and what it is to be seen beside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.evaluate.bootstrap import Array, Statistic, cluster_bootstrap

Part = Literal["asked", "look", "new", "seams"]
PARTS: tuple[Part, ...] = get_args(Part)
TITLES: Mapping[Part, str] = {
    "asked": "Does it show what was asked?",
    "look": "Does it look real?",
    "new": "Is it new?",
    "seams": "Are there seams?",
}
NAN = float("nan")
DRAWS = 400
"""Of every bootstrap."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of an audit.

    Attributes:
        part: what it helps to answer.
        name: what `--limit` calls it; what comes after a dot is a label, a size or an encoder.
        text: what it is, for people.
        value: the number; NaN where it is refused.
        low: of its 95 % interval.
        high: of its 95 % interval.
        floor: the same between two halves of the real patients, mean; of copies, the rate of false
            alarms.
        floor_high: 95 % of such halves are below it; of copies, the upper end of that rate.
        ceiling: the same of real tiles with their own masks, or among real tiles.
        chance: the same of tiles beside masks that are not theirs.
        tiles: that it rests on.
        clusters: patients or slides that these come from, which the interval resamples or halves.
        refused: why there is no number, and how many tiles would do; "": there is one.
    """

    part: Part
    name: str
    text: str
    value: float = NAN
    low: float = NAN
    high: float = NAN
    floor: float = NAN
    floor_high: float = NAN
    ceiling: float = NAN
    chance: float = NAN
    tiles: int = 0
    clusters: int = 0
    refused: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not there is null."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def to_table(figures: Sequence[Figure]) -> pd.DataFrame:
    """A row a figure."""
    return pd.DataFrame(
        [asdict(one) for one in figures], columns=[field.name for field in fields(Figure)]
    )


def refuse(figure: Figure, found: int, needed: int, what: str = "tiles") -> Figure:
    """The figure without a number, because there is too little to measure it."""
    return refuse_because(replace(figure, tiles=found), f"{found:,} {what}; {needed:,} would do")


def refuse_because(figure: Figure, why: str) -> Figure:
    """The figure without a number; one that was refused before keeps its own reason."""
    return figure if figure.refused else replace(figure, value=NAN, low=NAN, high=NAN, refused=why)


def settle(figure: Figure) -> Figure:
    """The figure, refused where its value is no number: nothing may keep to a limit unseen."""
    if math.isfinite(figure.value):
        return figure
    return refuse_because(figure, "no number: what it is divided by, or its spread, is 0 here")


def mean_of(values: npt.ArrayLike) -> float:
    """Mean of the values that are there; NaN of none."""
    numbers = np.asarray(values, np.float64)
    there = numbers[np.isfinite(numbers)]
    return float(there.mean()) if len(there) else NAN


def with_interval(figure: Figure, statistic: Statistic, num_clusters: int) -> Figure:
    """The figure with the value and interval of a statistic of its clusters' weights."""
    value, low, high = cluster_bootstrap(statistic, num_clusters, draws=DRAWS, seed=0)
    return replace(
        figure,
        value=float(value[0]),
        low=float(low[0]),
        high=float(high[0]),
        clusters=num_clusters,
    )


def sum_by(values: Array, clusters: npt.NDArray[np.str_]) -> Array:
    """Sums of rows by cluster, [C, ...], clusters in the order of their names."""
    names, codes = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(names), *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums


def ratio_of(above: Array, below: Array, clusters: npt.NDArray[np.str_]) -> tuple[Statistic, int]:
    """Sum of `above` [N] over that of `below` [N] as a function of the clusters' weights."""
    sums = sum_by(np.stack([above, below], axis=1), clusters)

    def statistic(weights: Array) -> Array:
        top, bottom = (weights @ sums).T
        result = np.full(len(weights), np.nan)
        np.divide(top, bottom, out=result, where=bottom > 0)
        return result[:, None]

    return statistic, len(sums)


def both(one: tuple[Statistic, int], other: tuple[Statistic, int]) -> tuple[Statistic, int]:
    """The ratio of two statistics of clusters that have nothing in common."""
    first, num = one
    second, more = other

    def statistic(weights: Array) -> Array:
        # drawn together, so each set's size varies a little, which widens the interval
        parts = weights[:, :num], weights[:, num:]
        top, bottom = first(parts[0]), second(parts[1])
        result = np.full(top.shape, np.nan)
        np.divide(top, bottom, out=result, where=bottom > 0)
        return result

    return statistic, num + more
