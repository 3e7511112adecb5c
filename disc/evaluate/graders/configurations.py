"""Values of configurations and their paired differences, for any measure of graders.

A configuration is what one grader scored with one variant and balance weight, over all its runs
(generator seeds, grader seeds, folds). A measure is computed in every run, then averaged; all
configurations of a test set share the draws of patients and of seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm, t

from disc.evaluate.graders.resampling import (
    Cell,
    Draws,
    cell_weights,
    mean_weights,
    patient_weights,
    seed_freedom,
)

CONFIGURATION = ["variant", "balance_weight"]
CONTROL = "real-"
"""Begins the names of variants that add real tiles again, where others add synthetic ones."""
RUN = {"generator_seed": 0, "grader_seed": 0, "fold": ""}
"""Columns that name a run, with what stands for one that an older table lacks."""
Array = npt.NDArray[np.float64]
Statistic = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]
"""Weights of the patients [patients, D] -> values [K, D]."""
Measure = Callable[[pd.DataFrame, int], Statistic]
"""(rows of one run, number of patients) -> statistic; "patient" holds numbers from 0."""
Strata = Callable[[pd.DataFrame, int], npt.NDArray[np.bool_]]
"""(rows of one setting, number of patients) -> stratum of each patient."""
ALPHA = 0.05
"""Two-sided level of every test; intervals hold 1 - ALPHA."""
POWER = 0.8
SPREAD = ("low", "high", "error", "freedom", "p")
"""Interval, standard error with its degrees of freedom, two-sided p of zero."""
ROUNDING = 1e-6
"""Differences nearer to zero than this are none: draws are held in single precision."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """All configurations of one setting.

    Attributes:
        names: columns of the setting.
        configurations: variant and balance weight of each, [C].
        values: [C, K].
        drawn: the values in each draw, [C, K, D].
        of_seeds: the values in each draw of seeds, on the patients as they are, [C, K, D].
        freedom: degrees of freedom of the seeds, [C]; infinite where none is resampled.
    """

    names: dict[str, Any]
    configurations: list[tuple[str, float]]
    values: Array
    drawn: Draws
    of_seeds: Draws
    freedom: Array

    def levels(self, lowest: float = 0.0) -> pd.DataFrame:
        """Every configuration's values, of a measure from `lowest` to 1: intervals and errors."""
        frame = self._frame(range(len(self.configurations))).drop(columns=["freedom", "p"])
        return frame.assign(low=frame["low"].clip(lower=lowest), high=frame["high"].clip(upper=1))

    def differences(self) -> pd.DataFrame:
        """Paired differences to real tiles only, with the two-sided p of no difference.

        Beside each, the difference to the best control of real tiles at the same weight, if there
        is one: `control`, its name, and `beyond`, with `beyond_low` and `beyond_high`.

        Raises:
            ValueError: if there is not one configuration of balance weight 0.
        """
        weights = [weight for _, weight in self.configurations]
        if weights.count(0) != 1:
            raise ValueError(
                f"{self.names}: {weights.count(0)} configurations of balance weight 0; expected one"
            )
        base = weights.index(0)
        places = [place for place in range(len(weights)) if place != base]
        beyond = [
            self._to_control(place, k) for place in places for k in range(len(self.values[0]))
        ]
        names = ["control", "beyond", "beyond_low", "beyond_high"]
        return self._frame(places, base).join(pd.DataFrame(beyond, columns=names))

    def _frame(self, places: Sequence[int], base: int | None = None) -> pd.DataFrame:
        columns = [*self.names, *CONFIGURATION, "k", "value", *SPREAD]
        rows = []
        for place in places:
            names = [*self.names.values(), *self.configurations[place]]
            rows += [
                [*names, k, *self._measure(k, place, base)] for k in range(len(self.values[place]))
            ]
        return pd.DataFrame(rows, columns=columns)

    def _measure(self, k: int, place: int, base: int | None) -> tuple[float, ...]:
        """A value, or its difference to another configuration's, and `SPREAD`."""
        parts = self.values[place, k], self.drawn[place, k], self.of_seeds[place, k]
        freedom = self.freedom[place]
        if base is not None:
            others = self.values[base, k], self.drawn[base, k], self.of_seeds[base, k]
            parts = tuple(one - other for one, other in zip(parts, others, strict=True))
            freedom = min(freedom, self.freedom[base])
        return float(parts[0]), *_spread(*parts, freedom)

    def _to_control(self, place: int, k: int) -> tuple[str, float, float, float]:
        variant, weight = self.configurations[place]
        controls = [
            other
            for other, (name, at) in enumerate(self.configurations)
            if at == weight and name.startswith(CONTROL) and np.isfinite(self.values[other, k])
        ]
        if variant.startswith(CONTROL) or not controls:
            return "", np.nan, np.nan, np.nan
        best = max(controls, key=lambda other: self.values[other, k])
        value, low, high, *_ = self._measure(k, place, best)
        return self.configurations[best][0], value, low, high


def measure_settings(
    rows: pd.DataFrame,
    setting: Sequence[str],
    measure: Measure,
    strata: Strata,
    *,
    draws: int,
    seed: int,
) -> Iterator[Measured]:
    """Measure all configurations of every setting, in all draws.

    Args:
        rows: with the columns of `setting`, "variant", "balance_weight", "patient" and, unless
            there is one run a configuration, those of `RUN`.
        setting: columns within which configurations are compared (grader, data set, split, ...).
        measure: gives K values a run.
        strata: of the patients.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: if configurations of a setting have other patients or slides than each other.
    """
    for key, part in name_runs(rows).groupby(list(setting), sort=True, dropna=False):
        names = dict(zip(setting, key, strict=True))
        codes, patients = pd.factorize(part["patient"], sort=True)
        part = part.assign(patient=codes, slide=part.groupby(["patient", "slide"]).ngroup())
        part = part.drop(columns=list(setting))  # every column less makes the splits faster
        configurations = dict(iter(part.groupby(CONFIGURATION, sort=True)))
        _check_same_slides(names, configurations)
        num = len(patients)
        statistics = [_statistics(some, num, measure) for some in configurations.values()]
        # [runs, K, 1] of each configuration, on the patients as they are
        whole = [_measure_whole(runs, num) for runs in statistics]
        means = [mean_weights(list(runs)) for runs in statistics]
        values = np.stack(list(map(_average, whole, means)))
        of_runs = [cell_weights(list(runs), draws, seed) for runs in statistics]
        pairs = list(zip(statistics, of_runs, strict=True))
        yield Measured(
            names=names,
            configurations=list(configurations),
            values=values[..., 0],
            drawn=_draw(pairs, patient_weights(strata(part, num), draws, seed), values.shape[1]),
            of_seeds=np.stack(list(map(_average, whole, of_runs))),
            freedom=np.array([seed_freedom(list(runs)) for runs in statistics]),
        )


def name_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with all columns that name a run; an older table lacks some."""
    return rows.assign(**{name: value for name, value in RUN.items() if name not in rows})


def smallest_difference(error: npt.ArrayLike, freedom: npt.ArrayLike) -> Array:
    """The smallest true difference that would be found with power .8 at a two-sided level of .05.

    Args:
        error: standard error of the difference, [N].
        freedom: its degrees of freedom, [N].

    Returns:
        It, or NaN where the error is none: slides that all graders rank alike in every draw show
        nothing of other slides.

    >>> smallest_difference([0.01, 0.01], [np.inf, 2]).round(3)
    array([0.028, 0.054])
    """
    tails = t.ppf(1 - ALPHA / 2, freedom) + t.ppf(POWER, freedom)
    errors = np.asarray(error, np.float64)
    return np.where(errors > ROUNDING, errors, np.nan) * np.asarray(tails, np.float64)


def _statistics(
    configuration: pd.DataFrame, num_patients: int, measure: Measure
) -> dict[Cell, Statistic]:
    return {
        key: measure(run, num_patients)
        for key, run in configuration.drop(columns=CONFIGURATION).groupby(
            list(RUN), sort=True, dropna=False
        )
    }


def _draw(
    pairs: Sequence[tuple[dict[Cell, Statistic], Draws]], blocks: Iterator[Draws], num: int
) -> Draws:
    """Values of all configurations in all draws, [C, K, D]."""
    drawn = np.empty((len(pairs), num, pairs[0][1].shape[1]), np.float32)
    start = 0
    for weights in blocks:
        stop = start + weights.shape[1]
        for place, (runs, shares) in enumerate(pairs):
            of_runs = (statistic(weights) for statistic in runs.values())
            drawn[place, :, start:stop] = _average(of_runs, shares[:, start:stop])
        start = stop
    return drawn


def _measure_whole(runs: dict[Cell, Statistic], num_patients: int) -> list[Array]:
    """Values of each run, every patient counting once."""
    every = np.ones((num_patients, 1))
    return [np.asarray(statistic(every), np.float64) for statistic in runs.values()]


def _average(
    of_runs: Iterable[npt.NDArray[np.floating]], shares: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Weighted mean over runs, [K, D]; a run that is not drawn cannot spoil a draw."""
    total: npt.NDArray[np.floating] = np.zeros(1)
    for values, share in zip(of_runs, shares, strict=True):
        total = total + np.where(share > 0, share * values, 0)
    return total


def _check_same_slides(
    names: dict[str, Any], configurations: dict[tuple[str, float], pd.DataFrame]
) -> None:
    slides = {name: np.unique(part["slide"]) for name, part in configurations.items()}
    first = next(iter(slides))
    for name, found in slides.items():
        if not np.array_equal(found, slides[first]):
            raise ValueError(f"{names}: {name} has other slides or patients than {first}")


def _spread(
    value: float, drawn: Draws, of_seeds: Draws, seed_freedom: float
) -> tuple[float, float, float, float, float]:
    """`SPREAD`, over the draws in which there is a value.

    The percentile interval is stretched by Student's t over the normal quantile: a few seeds tell
    little of how much seeds vary. Degrees of freedom by Satterthwaite, patients counting as many.
    """
    finite = drawn[np.isfinite(drawn)].astype(np.float64)
    if not np.isfinite(value) or len(finite) < 2:
        return np.nan, np.nan, np.nan, np.nan, np.nan
    variance, of_seed = finite.var(ddof=1), np.nanvar(of_seeds.astype(np.float64))
    is_varied = np.isfinite(seed_freedom) and of_seed > ROUNDING**2
    freedom = seed_freedom * max(1.0, (variance / of_seed) ** 2) if is_varied else np.inf
    stretch = t.ppf(1 - ALPHA / 2, freedom) / norm.ppf(1 - ALPHA / 2)
    low, high = value + stretch * (np.quantile(finite, [ALPHA / 2, 1 - ALPHA / 2]) - value)
    error = float(np.sqrt(variance))
    if abs(value) < ROUNDING:
        return float(low), float(high), error, float(freedom), 1.0
    # The larger of the p by the draws and of that by their error: draws end, and t has long tails.
    by_draws = min(1.0, 2 * min((finite <= 0).mean(), (finite >= 0).mean()))
    by_error = 2 * t.sf(abs(value) / max(error, ROUNDING), freedom)
    return float(low), float(high), error, float(freedom), float(max(by_draws, by_error))
