"""AUROC, average precision and kappa of slide graders, from scores.parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.evaluate.auroc import LABELS, MEAN, Area, weigh_auprc, weigh_auroc
from disc.evaluate.graders.configurations import (
    CONFIGURATION,
    RUN,
    Measure,
    Measured,
    Statistic,
    measure_settings,
    name_runs,
    refuse_repeated,
)
from disc.evaluate.graders.delong import delong
from disc.evaluate.graders.kappa import NUM_GROUPS, check_groups, quadratic_kappa
from disc.evaluate.graders.resampling import mean_weights, split_patients

SETTING = ["grader", "encoder", "data_set", "split"]
ISUP = "ISUP"
"""Label of the rows whose truth and score are ISUP grade groups, of graders that give any."""
AUPRC_DRAWS = 1000
"""At most: it is shown, and enters no test."""


def auroc_tables(
    scores: pd.DataFrame, *, draws: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """AUROC of every configuration per label, and the differences to real tiles only.

    The mean is over the labels that have both outcomes. Intervals and errors are over resampled
    patients and seeds.

    Args:
        scores: scores.parquet.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        Both: grader, encoder, data_set, split, variant, balance_weight, label ("NC".."GG5" or
        "mean"), value, low, high, error (NaN where a label lacks an outcome), positives, negatives
        (slides; of the mean: NaN). Differences: besides, freedom (degrees, of the
        error) and p, two-sided, of no difference.

    Raises:
        ValueError: if a setting has no configuration of balance weight 0, one has other slides, or
            a score is NaN, or a training scored a slide twice.
    """
    measured = list(_measure(scores, weigh_auroc, draws, seed))
    levels = [part.levels() for part in measured]
    gains = [part.differences() for part in measured]
    return _finish(levels, scores), _finish(gains, scores)


def auprc_table(scores: pd.DataFrame, *, draws: int, seed: int) -> pd.DataFrame:
    """Average precision of every configuration; else as `auroc_tables`.

    A grader at chance has the fraction of positives, so values of sets that hold other fractions
    are no likes.
    """
    measured = _measure(scores, weigh_auprc, min(draws, AUPRC_DRAWS), seed)
    return _finish([part.levels() for part in measured], scores)


def kappa_tables(
    scores: pd.DataFrame, *, draws: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quadratic weighted kappa of ISUP grade groups, and its differences to real tiles only.

    Args:
        scores: scores.parquet; only rows with label "ISUP" count, whose truth and score are groups
            0 to 5. Without such rows both tables are empty.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        As `auroc_tables`, without label and support.

    Raises:
        ValueError: if a truth or score is no ISUP grade group.
    """
    rows = scores[scores["label"] == ISUP]
    ways = _kappa, _isup_strata, lambda _, num_patients: np.array([num_patients])
    measured = list(measure_settings(rows, SETTING, *ways, draws=draws, seed=seed))
    if not measured:
        return pd.DataFrame(), pd.DataFrame()
    levels = pd.concat([part.levels(lowest=-1.0) for part in measured], ignore_index=True)
    gains = pd.concat([part.differences() for part in measured], ignore_index=True)
    return levels.drop(columns="k"), gains.drop(columns="k")


def delong_errors(scores: pd.DataFrame, tests: pd.DataFrame) -> list[float]:
    """DeLong's standard error of each difference to real tiles only.

    Args:
        scores: scores.parquet.
        tests: grader, encoder, data_set, split, variant, balance_weight, label of each difference.

    Returns:
        One a test; NaN where a patient has several slides, or runs scored different slides.
    """
    rows, keys = name_runs(scores), [*SETTING, "label"]
    parts = rows.groupby(keys, dropna=False)
    errors = pd.Series(np.nan, tests.index)
    for key, some in tests.groupby(keys, dropna=False):
        part = parts.get_group(key) if key in parts.groups else rows[:0]
        slides = part.drop_duplicates(["patient", "slide"]).set_index("patient")
        if slides.index.duplicated().any() or not len(slides):
            continue
        table = part.pivot(index="patient", columns=[*CONFIGURATION, *RUN], values="score")
        truth = slides["truth"].reindex(table.index)
        for place, row in some.iterrows():
            errors[place] = _delong(table, truth, (row["variant"], row["balance_weight"]))
    return [float(error) for error in errors]


def _delong(table: pd.DataFrame, truth: pd.Series, configuration: tuple[str, float]) -> float:
    """The error of one configuration's difference, from scores [slides, runs]."""
    added = [column for column in table.columns if column[:2] == configuration]
    base = [column for column in table.columns if column[1] == 0]
    factors = [mean_weights([column[2:] for column in some])[:, 0] for some in (added, base)]
    scores = table[[*added, *base]].to_numpy().T
    if np.isnan(scores).any():
        return np.nan
    return delong(truth, scores, np.concatenate([factors[0], -factors[1]]))[1]


def _measure(
    scores: pd.DataFrame, weigh: Callable[..., Area], draws: int, seed: int
) -> Iterator[Measured]:
    refuse_repeated(scores, [*SETTING, "label", "patient", "slide"])
    places = pd.Index(LABELS).get_indexer(scores["label"])  # numbers are split faster than text
    rows = scores.assign(label=places)[places >= 0]
    ways = _areas(weigh), _strata, _count_patients
    return measure_settings(rows, SETTING, *ways, draws=draws, seed=seed)


def _areas(weigh: Callable[..., Area]) -> Measure:
    """A measure of the four labels and their mean, [5, D]."""

    def measure(run: pd.DataFrame, num_patients: int) -> Statistic:
        columns = [run[name].to_numpy() for name in ("truth", "score", "patient")]
        labels = run["label"].to_numpy()
        parts = [[part[labels == place] for part in columns] for place in range(len(LABELS))]
        areas = [weigh(*part) for part in parts]
        has_both = np.array([len(np.unique(truth)) == 2 for truth, _, _ in parts])

        def statistic(weights: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
            values = np.stack([area(weights) for area in areas])
            # A draw that lost all positives of a label gives no mean: a mean over fewer labels
            # would be another quantity.
            mean = values[has_both].mean(axis=0) if has_both.any() else np.nan * values[0]
            return np.concatenate([values, mean[None]])

        return statistic

    return measure


def _kappa(run: pd.DataFrame, num_patients: int) -> Statistic:
    groups = NUM_GROUPS * check_groups(run["truth"], "truth") + check_groups(run["score"], "score")
    # slides by (truth, predicted) of each patient, [patients, 36]
    counts = np.zeros((num_patients, NUM_GROUPS**2))
    np.add.at(counts, (run["patient"].to_numpy(), groups), 1)
    return lambda weights: quadratic_kappa(
        (weights.T @ counts).reshape(-1, NUM_GROUPS, NUM_GROUPS)
    )[None]


def _strata(rows: pd.DataFrame, num_patients: int) -> npt.NDArray[np.bool_]:
    return split_patients(_find_patients(rows[rows["truth"] > 0], num_patients))


def _count_patients(rows: pd.DataFrame, num_patients: int) -> npt.NDArray[np.int64]:
    """Patients on the rarer side of each label, and of the mean the fewest of these, [5]."""
    sides = [rows[rows["truth"] > 0], rows[rows["truth"] == 0]]
    counts = np.stack([_find_patients(side, num_patients).sum(axis=0) for side in sides]).min(0)
    return np.append(counts, min((count for count in counts if count), default=0))


def _find_patients(rows: pd.DataFrame, num_patients: int) -> npt.NDArray[np.bool_]:
    """Whether a patient has a row of a label, [patients, 4]."""
    has = np.zeros((num_patients, len(LABELS)), bool)
    has[rows["patient"], rows["label"]] = True
    return has


def _isup_strata(rows: pd.DataFrame, num_patients: int) -> npt.NDArray[np.bool_]:
    """Patients with and without a slide of cancer."""
    has = np.zeros((num_patients, 1), bool)
    has[rows["patient"][rows["truth"] > 0]] = True
    return split_patients(has)


def _finish(tables: list[pd.DataFrame], scores: pd.DataFrame) -> pd.DataFrame:
    """Labels by name, and their support."""
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    label = table["k"].map(dict(enumerate([*LABELS, MEAN])))
    table.insert(table.columns.get_loc("k"), "label", label)
    return table.drop(columns="k").merge(_support(scores), on=[*SETTING, "label"], how="left")


def _support(scores: pd.DataFrame) -> pd.DataFrame:
    """Slides with and without each label."""
    keys = [*SETTING, "label"]
    slides = scores.drop_duplicates([*keys, "patient", "slide"])
    slides = slides.assign(positives=slides["truth"] > 0, negatives=slides["truth"] == 0)
    counts = slides.groupby(keys, dropna=False)[["positives", "negatives"]].sum()
    return counts.reset_index()
