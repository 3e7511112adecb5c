"""Configurations of an experiment and their paired differences, for any metric of graders.

A configuration is what one grader scored with one variant and balance weight, over all its runs
(grader seeds, folds, generator seeds). A metric is computed in every run and averaged over runs;
intervals come from resampled patients and do not include seed variability.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.evaluate.bootstrap import Array, Statistic, cluster_bootstrap

CONFIGURATION = ["variant", "balance_weight"]
Metric = Callable[[pd.DataFrame, pd.Index], Statistic]
"""(rows of one configuration, all patients) -> statistic of the patients' weights."""


def configuration_table(
    rows: pd.DataFrame, setting: Sequence[str], metric: Metric, *, draws: int, seed: int
) -> pd.DataFrame:
    """A metric of every configuration in every setting.

    Args:
        rows: with the columns of `setting`, "variant", "balance_weight" and "patient".
        setting: columns within which configurations are compared (grader, data set, split, ...).
        metric: gives K values a configuration.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        One row per (setting, configuration, k): setting, variant, balance_weight, k, value, low,
        high.
    """
    parts = []
    for names, patients, configurations in _settings(rows, setting):
        for configuration, part in configurations.items():
            found = cluster_bootstrap(metric(part, patients), len(patients), draws=draws, seed=seed)
            parts.append(_frame(names, configuration, found))
    return _join(parts, setting)


def configuration_gains(
    rows: pd.DataFrame, setting: Sequence[str], metric: Metric, *, draws: int, seed: int
) -> pd.DataFrame:
    """Differences of every configuration to the real-only one (balance weight 0) of its setting.

    Paired: both configurations are computed from the same resampled patients.

    Returns:
        As `configuration_table`, without the real-only configuration.

    Raises:
        ValueError: if a setting has no real-only configuration, or one scored other patients.
    """
    parts = []
    for names, patients, configurations in _settings(rows, setting):
        bases = [configuration for configuration in configurations if configuration[1] == 0]
        if len(bases) != 1:
            raise ValueError(
                f"{names}: {len(bases)} configurations of balance weight 0; expected one"
            )
        base = metric(configurations[bases[0]], patients)
        for configuration, part in configurations.items():
            if configuration == bases[0]:
                continue
            if set(part["patient"]) != set(configurations[bases[0]]["patient"]):
                raise ValueError(
                    f"{names}, {configuration}: other patients than the real-only configuration"
                )
            difference = _difference(metric(part, patients), base)
            found = cluster_bootstrap(difference, len(patients), draws=draws, seed=seed)
            parts.append(_frame(names, configuration, found))
    return _join(parts, setting)


def split_runs(configuration: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of a configuration by run."""
    runs = [key for key in ("generator_seed", "grader_seed", "fold") if key in configuration]
    return (
        [part for _, part in configuration.groupby(runs, sort=True, dropna=False)]
        if runs
        else [configuration]
    )


def average(statistics: Sequence[Statistic]) -> Statistic:
    """The mean over runs of a statistic; not defined where any run's is not."""

    def mean(weights: Array) -> Array:
        values: npt.NDArray[np.float64] = np.mean([run(weights) for run in statistics], axis=0)
        return values

    return mean


def _difference(one: Statistic, other: Statistic) -> Statistic:
    return lambda weights: one(weights) - other(weights)


def _settings(
    rows: pd.DataFrame, setting: Sequence[str]
) -> Iterator[tuple[dict[str, Any], pd.Index, dict[tuple[str, float], pd.DataFrame]]]:
    for key, part in rows.groupby(list(setting), sort=True, dropna=False):
        names = dict(zip(setting, key, strict=True))
        patients = pd.Index(sorted(part["patient"].unique()))
        yield names, patients, dict(iter(part.groupby(CONFIGURATION, sort=True)))


def _frame(
    names: dict[str, Any], configuration: tuple[str, float], found: tuple[Array, Array, Array]
) -> pd.DataFrame:
    value, low, high = found
    columns = {
        **names,
        **dict(zip(CONFIGURATION, configuration, strict=True)),
        "k": np.arange(len(value)),
    }
    return pd.DataFrame({**columns, "value": value, "low": low, "high": high})


def _join(parts: list[pd.DataFrame], setting: Sequence[str]) -> pd.DataFrame:
    if parts:
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns=[*setting, *CONFIGURATION, "k", "value", "low", "high"])
