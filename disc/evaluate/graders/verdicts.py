"""Did synthetic tiles help: the weight that validation chose, the primary tests, the words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.evaluate.auroc import MEAN
from disc.evaluate.graders.spread import ALPHA, ROUNDING, smallest_difference

HELPS, HARMS = "helps", "harms"
UNCLEAR = "not distinguishable"
UNTRAINED = "baseline not trained"
UNDEFINED = "undefined"
MATCHED = "not shown to help beyond real tiles"
ONCE = "trained once"
"""Beyond chance over patients, but of one grader seed, whatever folds and generators there are:
nobody knows how much of it is the seed's."""


def choose_balance_weights(levels: pd.DataFrame, grader: Sequence[str]) -> pd.DataFrame:
    """For each grader and variant the balance weight of the highest mean on validation slides.

    Looks at split "val" only, never at a test set; the smaller weight wins a tie. A variant with
    one weight needs no choice; one with several, whose mean is undefined on validation slides, is
    left out.

    Args:
        levels: values of configurations, with rows of label "mean".
        grader: columns that tell graders apart, among them no data set: there is one validation.

    Returns:
        The columns of `grader`, variant, balance_weight.

    Differs from paper: there the weight quoted is the best on each test set.
    """
    columns = [*grader, "variant", "balance_weight"]
    added = levels[levels["balance_weight"] > 0]
    means = added[(added["split"] == "val") & (added["label"] == MEAN)].dropna(subset="value")
    means = means.sort_values("balance_weight")
    best = means.loc[means.groupby(columns[:-1], sort=True)["value"].idxmax(), columns]
    every = added[columns].drop_duplicates()
    single = every[~every.duplicated(columns[:-1], keep=False)]
    return pd.concat([best, single]).drop_duplicates().sort_values(columns, ignore_index=True)


def primary_tests(
    gains: pd.DataFrame, chosen: pd.DataFrame, is_trained: pd.Series, family: Sequence[str]
) -> pd.DataFrame:
    """The tests that count: variant x label x test set, at the weights that validation chose.

    Holm's adjustment is over exactly these, within each family. No mean over labels is tested, and
    no other weight.

    Args:
        gains: differences to real tiles only, with p and `grader_seeds`, and to controls of real
            tiles: what does not go beyond the best of these with its whole interval is not shown
            to help beyond them.
        chosen: the weights, from `choose_balance_weights`.
        is_trained: whether the grader of real tiles only is above chance, by the columns of
            `family`, data_set and label.
        family: columns within which tests are one family: one grader.

    Returns:
        The columns of `gains` at the chosen weights on test sets, and p_holm, smallest (difference
        that the test set can show; NaN: none) and verdict.
    """
    rows = gains[(gains["split"] == "test") & (gains["label"] != MEAN)]
    on = [name for name in chosen.columns if name in rows]
    rows = rows.merge(chosen, on=on).reset_index(drop=True)
    places = pd.MultiIndex.from_frame(rows[[*family, "data_set", "label"]])
    trained = is_trained.reindex(places).fillna(False).to_numpy(bool)
    adjusted = rows.groupby(list(family), dropna=False)["p"].transform(holm)
    beyond = rows["beyond_low"] if "beyond_low" in rows else [np.nan] * len(rows)
    repeated = rows["grader_seeds"] > 1
    verdicts = [
        judge(*found)
        for found in zip(rows["value"], adjusted, trained, repeated, beyond, strict=True)
    ]
    smallest = smallest_difference(rows["error"], rows["freedom"])
    # no two levels are 1 apart: a set that would need that can show nothing
    possible = np.where(smallest < 1, smallest, np.nan)
    return rows.assign(p_holm=adjusted, smallest=possible, verdict=verdicts)


def holm(p: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """p-values adjusted by Holm's procedure; NaN is no test and does not count.

    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 1979.

    >>> holm([0.01, 0.04, 0.03, np.nan])
    array([0.03, 0.06, 0.06,  nan])
    """
    values = np.asarray(p, np.float64)
    result = np.full_like(values, np.nan)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    steps = np.arange(len(order), 0, -1) * values[order]
    result[order] = np.minimum(1, np.maximum.accumulate(steps))
    return result


def judge(
    difference: float, p: float, is_trained: bool, is_repeated: bool, beyond: float = np.nan
) -> str:
    """The verdict on one difference to real tiles only.

    A grader at chance is no baseline: whatever is added to it, a difference says nothing about the
    addition. Nor does that of one seed of the graders, which may differ with nothing added.

    Args:
        difference: to real tiles only.
        p: of no difference, adjusted; NaN where there is no interval.
        is_trained: whether the grader of real tiles only is above chance.
        is_repeated: whether both graders were trained with two seeds or more.
        beyond: lower end of the difference to the best control; NaN: there is none.

    >>> judge(0.1, 0.01, True, True), judge(0.1, 0.01, False, True), judge(-0.1, 0.2, True, True)
    ('helps', 'baseline not trained', 'not distinguishable')
    >>> judge(0.1, 0.01, True, False)
    'trained once'
    """
    if not np.isfinite(difference) or not np.isfinite(p):
        return UNDEFINED
    if not is_trained:
        return UNTRAINED
    if p >= ALPHA:
        return UNCLEAR
    if not is_repeated:
        return ONCE
    if difference <= 0:
        return HARMS
    return MATCHED if beyond <= ROUNDING else HELPS
