"""AUROC of slide graders per label, its gains, and the choice of the balance weight."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.evaluate.bootstrap import Array, Statistic
from disc.evaluate.configurations import (
    CONFIGURATION,
    average,
    configuration_gains,
    configuration_table,
    split_runs,
)
from disc.labels import Label

SETTING = ["grader", "encoder", "data_set", "split"]
MEAN = "mean"
LABELS = [label.name for label in Label]


def auroc(
    truth: npt.ArrayLike, score: npt.ArrayLike, weights: Array | None = None
) -> npt.NDArray[np.float64]:
    """Area under the ROC curve: how often a positive scores above a negative; ties count half.

    Args:
        truth: 0 or 1, [N].
        score: [N].
        weights: of the observations, [D, N]; by default all 1.

    Returns:
        [D], NaN where there is no positive or no negative.

    >>> auroc([0, 1, 1], [0.2, 0.1, 0.9])
    array([0.5])
    """
    positive, values = np.asarray(truth, bool), np.asarray(score, np.float64)
    if weights is None:
        weights = np.ones((1, len(values)))
    # 1 where a positive scores above a negative, 1/2 for a tie, [positives, negatives]
    difference = values[positive][:, None] - values[~positive][None, :]
    wins = (difference > 0) + 0.5 * (difference == 0)
    of_positives, of_negatives = weights[:, positive], weights[:, ~positive]
    # weighted number of pairs, and of pairs won, [D]
    pairs = of_positives.sum(axis=1) * of_negatives.sum(axis=1)
    won = ((of_positives @ wins) * of_negatives).sum(axis=1)
    areas = np.full(len(weights), np.nan)
    np.divide(won, pairs, out=areas, where=pairs > 0)
    return areas


def auroc_table(scores: pd.DataFrame, *, draws: int, seed: int) -> pd.DataFrame:
    """AUROC of every configuration per label, and the mean over the labels that have both outcomes.

    Averaged over runs, with intervals over resampled patients.

    Args:
        scores: scores.parquet.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        grader, encoder, data_set, split, variant, balance_weight, label ("NC".."GG5" or "mean"),
        value, low, high (NaN where a label lacks an outcome), positives, negatives (slides; of
        the mean: NaN).
    """
    table = configuration_table(scores, SETTING, _configuration_auroc, draws=draws, seed=seed)
    return _name_labels(table).merge(
        _support(scores), on=[*SETTING, *CONFIGURATION, "label"], how="left"
    )


def gain_table(scores: pd.DataFrame, *, draws: int, seed: int) -> pd.DataFrame:
    """Paired difference of every configuration's AUROC to that of real tiles only.

    Returns:
        As `auroc_table`.

    Raises:
        ValueError: if a setting has no configuration of balance weight 0, or one scored other
            patients.
    """
    table = configuration_gains(scores, SETTING, _configuration_auroc, draws=draws, seed=seed)
    return _name_labels(table).merge(
        _support(scores), on=[*SETTING, *CONFIGURATION, "label"], how="left"
    )


def choose_balance_weight(scores: pd.DataFrame) -> dict[str, float]:
    """For each variant the balance weight of the highest mean AUROC on validation slides.

    Looks at split "val" only, never at a test set; the smaller weight wins a tie. A variant for
    which no validation label has both outcomes is left out.

    Args:
        scores: scores.parquet, of one grader and encoder.

    Differs from paper: there the weight quoted is the best on each test set.
    """
    if len(scores[["grader", "encoder"]].drop_duplicates()) > 1:
        raise ValueError("scores of several graders or encoders; choose one first")
    val = scores[(scores["split"] == "val") & (scores["balance_weight"] > 0)]
    table = auroc_table(val, draws=1, seed=0)
    means = table[table["label"] == MEAN].dropna(subset="value").sort_values("balance_weight")
    return {
        str(variant): float(part.loc[part["value"].idxmax(), "balance_weight"])
        for variant, part in means.groupby("variant")
    }


def _configuration_auroc(configuration: pd.DataFrame, patients: pd.Index) -> Statistic:
    return average([_run_auroc(run, patients) for run in split_runs(configuration)])


def _run_auroc(run: pd.DataFrame, patients: pd.Index) -> Statistic:
    """AUROC of the four labels and their mean, [D, 5], from the patients' weights."""
    parts = [run[run["label"] == label] for label in LABELS]
    columns = [
        (part["truth"].to_numpy(), part["score"].to_numpy(), patients.get_indexer(part["patient"]))
        for part in parts
    ]
    has_both = np.array([0 < truth.sum() < len(truth) for truth, _, _ in columns])

    def statistic(weights: Array) -> Array:
        values = np.stack([auroc(t, s, weights[:, owner]) for t, s, owner in columns], axis=1)
        # A draw that lost all positives of a label gives no mean: a mean over fewer labels
        # would be another quantity.
        mean = values[:, has_both].mean(axis=1) if has_both.any() else np.full(len(values), np.nan)
        return np.column_stack([values, mean])

    return statistic


def _name_labels(table: pd.DataFrame) -> pd.DataFrame:
    label = table["k"].map(dict(enumerate([*LABELS, MEAN])))
    table.insert(table.columns.get_loc("k"), "label", label)
    return table.drop(columns="k")


def _support(scores: pd.DataFrame) -> pd.DataFrame:
    keys = [*SETTING, *CONFIGURATION, "label"]
    slides = scores.drop_duplicates([*keys, "patient", "slide"])
    truth = slides.groupby(keys, dropna=False)["truth"]
    counts = truth.agg(positives="sum", negatives=lambda bits: (bits == 0).sum())
    return counts.reset_index()
