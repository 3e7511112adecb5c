"""Values of configurations and their paired differences, for any measure of graders.

A configuration is what one grader scored with one variant and balance weight, over all its runs
(generator seeds, grader seeds, folds). A measure is computed in every run, then averaged; all
configurations of a test set share the draws of patients and of seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from disc.evaluate.graders.resampling import (
    Cell,
    Draws,
    cell_weights,
    mean_weights,
    patient_weights,
)

CONFIGURATION = ["variant", "balance_weight"]
RUN = {"generator_seed": 0, "grader_seed": 0, "fold": ""}
"""Columns that name a run, with what stands for one that an older table lacks."""
Array = npt.NDArray[np.float64]
Statistic = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]
"""Weights of the patients [patients, D] -> values [K, D]."""
Measure = Callable[[pd.DataFrame, int], Statistic]
"""(rows of one run, number of patients) -> statistic; "patient" holds numbers from 0."""
Strata = Callable[[pd.DataFrame, int], npt.NDArray[np.bool_]]
"""(rows of one setting, number of patients) -> stratum of each patient."""
LEVEL = 0.95
POWER = 0.8
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
    """

    names: dict[str, Any]
    configurations: list[tuple[str, float]]
    values: Array
    drawn: Draws

    def levels(self) -> pd.DataFrame:
        """Every configuration's values with intervals and standard errors."""
        return self._frame(range(len(self.configurations)), self.values, self.drawn)

    def differences(self) -> pd.DataFrame:
        """Paired differences to real tiles only, with the two-sided p of no difference.

        Raises:
            ValueError: if there is not one configuration of balance weight 0.
        """
        weights = [weight for _, weight in self.configurations]
        if weights.count(0) != 1:
            raise ValueError(
                f"{self.names}: {weights.count(0)} configurations of balance weight 0; expected one"
            )
        base = weights.index(0)
        others = [place for place in range(len(weights)) if place != base]
        values = self.values[others] - self.values[base]
        drawn = self.drawn[others] - self.drawn[base]
        frame = self._frame(others, values, drawn)
        return frame.assign(p=[_two_sided(part) for row in drawn for part in row])

    def _frame(self, places: Sequence[int], values: Array, drawn: Draws) -> pd.DataFrame:
        rows = [
            {
                **self.names,
                **dict(zip(CONFIGURATION, self.configurations[place], strict=True)),
                "k": k,
                "value": value,
                **_spread(value, part),
            }
            for place, line, parts in zip(places, values, drawn, strict=True)
            for k, (value, part) in enumerate(zip(line, parts, strict=True))
        ]
        return pd.DataFrame(rows)


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
        every = np.ones((num, 1))
        values = np.stack([_average(runs, every, mean_weights(list(runs))) for runs in statistics])
        of_runs = [cell_weights(list(runs), draws, seed) for runs in statistics]
        drawn = np.empty((*values.shape[:2], draws), np.float32)
        start = 0
        for weights in patient_weights(strata(part, num), draws, seed):
            stop = start + weights.shape[1]
            for place, (runs, shares) in enumerate(zip(statistics, of_runs, strict=True)):
                drawn[place, :, start:stop] = _average(runs, weights, shares[:, start:stop])
            start = stop
        yield Measured(
            names=names, configurations=list(configurations), values=values[..., 0], drawn=drawn
        )


def name_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with all columns that name a run; an older table lacks some."""
    return rows.assign(**{name: value for name, value in RUN.items() if name not in rows})


def smallest_difference(error: npt.ArrayLike) -> Array:
    """The smallest true difference that would be found with power .8 at a two-sided level of .05.

    Args:
        error: standard error of the difference, [N].

    >>> smallest_difference([0.01]).round(3)
    array([0.028])
    """
    errors: Array = np.asarray(error, np.float64)
    return errors * float(norm.ppf((1 + LEVEL) / 2) + norm.ppf(POWER))


def _statistics(
    configuration: pd.DataFrame, num_patients: int, measure: Measure
) -> dict[Cell, Statistic]:
    return {
        key: measure(run, num_patients)
        for key, run in configuration.drop(columns=CONFIGURATION).groupby(
            list(RUN), sort=True, dropna=False
        )
    }


def _average(
    runs: dict[Cell, Statistic],
    weights: npt.NDArray[np.floating],
    shares: npt.NDArray[np.floating],
) -> npt.NDArray[np.floating]:
    """Weighted mean over runs, [K, D]; a run that is not drawn cannot spoil a draw."""
    total: npt.NDArray[np.floating] = np.zeros(1)
    for statistic, share in zip(runs.values(), shares, strict=True):
        total = total + np.where(share > 0, share * statistic(weights), 0)
    return total


def _check_same_slides(
    names: dict[str, Any], configurations: dict[tuple[str, float], pd.DataFrame]
) -> None:
    slides = {name: np.unique(part["slide"]) for name, part in configurations.items()}
    first = next(iter(slides))
    for name, found in slides.items():
        if not np.array_equal(found, slides[first]):
            raise ValueError(f"{names}: {name} has other slides or patients than {first}")


def _spread(value: float, drawn: Draws) -> dict[str, float]:
    """Percentile interval and standard error, over the draws in which there is a value."""
    finite = drawn[np.isfinite(drawn)].astype(np.float64)
    if not np.isfinite(value) or len(finite) < 2:
        return {"low": np.nan, "high": np.nan, "error": np.nan}
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high), "error": float(finite.std(ddof=1))}


def _two_sided(drawn: Draws) -> float:
    """Twice the smaller fraction of draws on one side of zero; NaN without draws."""
    finite = drawn[np.isfinite(drawn)]
    if len(finite) < 2:
        return np.nan
    fewer = min((finite < ROUNDING).sum(), (finite > -ROUNDING).sum())
    return float(min(1.0, 2 * (fewer + 1) / (len(finite) + 1)))
