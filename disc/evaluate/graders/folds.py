"""AUROC of slide graders fold by fold, and of all folds' validation slides as one set."""

from __future__ import annotations

import pandas as pd

from disc.evaluate.auroc import LABELS, MEAN, auroc
from disc.evaluate.graders.configurations import CONFIGURATION, name_runs
from disc.evaluate.graders.slides import SETTING

POOLED = "out-of-fold"
"""Split of the validation slides of all folds as one table."""
EVERY = "all"
"""Fold of its rows."""


def fold_table(scores: pd.DataFrame) -> pd.DataFrame:
    """What the graders of each fold reach; descriptive, and so without intervals.

    Folds share most of their training slides, so how they differ is no measure of chance.

    Args:
        scores: scores.parquet.

    Returns:
        grader, encoder, data_set, split, variant, balance_weight, fold ("all": out of fold), label
        ("NC".."GG5" or "mean" over those that have both outcomes in every fold of a split), value
        (mean over the fold's trainings), positives, negatives; empty where there is one fold.
    """
    if scores.empty:
        return pd.DataFrame()
    rows = name_runs(scores[scores["label"].isin(LABELS)])
    if rows.loc[rows["fold"] != EVERY, "fold"].nunique() < 2:
        return pd.DataFrame()
    keys = [*SETTING, *CONFIGURATION, "fold"]
    found = []
    for key, part in rows.groupby([*keys, "label"], dropna=False):
        runs = [run for _, run in part.groupby(["generator_seed", "grader_seed"], dropna=False)]
        # a pooled set holds a slide once for each training of its fold
        value = sum(float(auroc(run["truth"], run["score"])[0]) for run in runs) / len(runs)
        slides = part.drop_duplicates(["patient", "slide"])
        num = int((slides["truth"] > 0).sum())
        found.append([*key, value, num, len(slides) - num])
    table = pd.DataFrame(found, columns=[*keys, "label", "value", "positives", "negatives"])
    # a mean over other labels would be another quantity
    known, where = table.dropna(subset="value"), ["data_set", "split"]
    has_label = known.groupby([*where, "label"])["fold"].transform("nunique")
    shared = known[has_label == known.groupby(where)["fold"].transform("nunique")]
    means = shared.groupby(keys, as_index=False, dropna=False)["value"].mean()
    order = {name: place for place, name in enumerate([*LABELS, MEAN])}
    whole = pd.concat([table, means.assign(label=MEAN)])
    return whole.sort_values(
        [*keys, "label"], key=lambda part: part.map(order) if part.name == "label" else part
    ).reset_index(drop=True)
