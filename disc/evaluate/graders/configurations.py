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

from disc.evaluate.graders.resampling import (
    Cell,
    Draws,
    cell_weights,
    mean_weights,
    patient_weights,
    seed_freedom,
)
from disc.evaluate.graders.spread import SPREAD, Evidence, measure_spread

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
Support = Callable[[pd.DataFrame, int], npt.NDArray[np.int64]]
"""(rows of one setting, number of patients) -> patients that each value rests on, [K]."""


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
        grader_seeds: how many there are, [C].
        support: patients that each value rests on, [K].
    """

    names: dict[str, Any]
    configurations: list[tuple[str, float]]
    values: Array
    drawn: Draws
    of_seeds: Draws
    freedom: Array
    grader_seeds: npt.NDArray[np.int64]
    support: npt.NDArray[np.int64]

    def levels(self, lowest: float = 0.0) -> pd.DataFrame:
        """Every configuration's values, of a measure from `lowest` to 1: intervals and errors."""
        frame = self._frame(range(len(self.configurations))).drop(columns="p")
        return frame.assign(low=frame["low"].clip(lower=lowest), high=frame["high"].clip(upper=1))

    def differences(self) -> pd.DataFrame:
        """Paired differences to real tiles only, with the two-sided p of no difference.

        Beside each, the difference to the best control of real tiles at the same weight, if there
        is one: `control`, its name, and `beyond`, with `beyond_low` and `beyond_high`; and
        `grader_seeds`, of the two those of which there are fewer.

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
        fewest = np.minimum(self.grader_seeds, self.grader_seeds[base])
        beside = [
            (*self._to_control(place, k), fewest[place])
            for place in places
            for k in range(len(self.values[0]))
        ]
        names = ["control", "beyond", "beyond_low", "beyond_high", "grader_seeds"]
        return self._frame(places, base).join(pd.DataFrame(beside, columns=names))

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
        evidence = Evidence(seeds=freedom, patients=int(self.support[k]))
        return float(parts[0]), *measure_spread(*parts, evidence)

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
    support: Support,
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
        support: how many patients each value rests on.
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
            grader_seeds=np.array([len({cell[1] for cell in runs}) for runs in statistics]),
            support=support(part, num),
        )


def refuse_repeated(rows: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse rows that count what a training was tested on twice.

    Args:
        rows: of scores.parquet or pixels.parquet.
        columns: that name what a row is of, beside its training.

    Raises:
        ValueError: if two rows are of the same; names the first.
    """
    named = name_runs(rows)
    again = named.duplicated([*columns, *CONFIGURATION, *RUN])
    if again.any():
        first = ", ".join(map(str, named.loc[again, [*columns, *CONFIGURATION, *RUN]].iloc[0]))
        raise ValueError(
            f"{int(again.sum())} rows stand there twice, the first of {first}; a training is "
            "tested once on each: leave out what was joined twice"
        )


def name_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with all columns that name a run; an older table lacks some."""
    return rows.assign(**{name: value for name, value in RUN.items() if name not in rows})


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
