"""All statistics of a study, by the name of their table, from its two tables alone."""

from __future__ import annotations

import pandas as pd
from scipy.stats import t

from disc.evaluate.graders.folds import fold_table
from disc.evaluate.graders.pixels import baseline_table, confusion_table, pixel_tables
from disc.evaluate.graders.slides import (
    auprc_table,
    auroc_tables,
    delong_errors,
    kappa_tables,
)
from disc.evaluate.graders.spread import ALPHA
from disc.evaluate.graders.verdicts import choose_balance_weights, primary_tests

SLIDE_GRADER = ["grader", "encoder"]
PIXEL_GRADER = ["grader", "truth_kind"]
CHANCE = 0.5
"""AUROC of a grader that knows nothing."""


def slide_statistics(scores: pd.DataFrame, *, draws: int, seed: int) -> dict[str, pd.DataFrame]:
    """Statistics of slide graders.

    Args:
        scores: scores.parquet.
        draws: of the bootstrap; 20,000 for what is to be quoted.
        seed: of the bootstrap.

    Returns:
        auroc, auroc_gains (descriptive: all weights), auprc, kappa and kappa_gains (empty where no
        grader gives grade groups), folds (empty where there is one), chosen (weights), auroc_tests
        (primary, with DeLong's error).
    """
    levels, gains = auroc_tables(scores, draws=draws, seed=seed)
    kappa, kappa_gains = kappa_tables(scores, draws=draws, seed=seed)
    chosen = choose_balance_weights(levels, SLIDE_GRADER)
    tests = primary_tests(gains, chosen, above_chance(levels), SLIDE_GRADER)
    return {
        "auroc": levels,
        "auroc_gains": gains.drop(columns=["freedom", "p"]),
        "auprc": auprc_table(scores, draws=draws, seed=seed),
        "kappa": kappa,
        "kappa_gains": kappa_gains.drop(columns=["freedom", "p"], errors="ignore"),
        "folds": fold_table(scores),
        "chosen": chosen,
        "auroc_tests": tests.assign(delong_error=delong_errors(scores, tests)),
    }


def pixel_statistics(pixels: pd.DataFrame, *, draws: int, seed: int) -> dict[str, pd.DataFrame]:
    """Statistics of pixel graders.

    The primary tests are those of Dice; the balance weight is chosen by the mean Dice on
    validation tiles, against their annotation where there is one: the truth that a real set has.

    Args:
        pixels: pixels.parquet.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        dice, dice_gains (descriptive; both with precision), confusion, baselines, dice_chosen,
        dice_tests (primary).
    """
    levels, gains = pixel_tables(pixels, draws=draws, seed=seed)
    baselines = baseline_table(pixels)
    truth = min(levels["truth_kind"])  # annotation before exact
    means = levels[(levels["metric"] == "dice") & (levels["truth_kind"] == truth)]
    chosen = choose_balance_weights(means, PIXEL_GRADER[:1])
    of_test = baselines[baselines["split"] == "test"]
    # Labels compete for a pixel: what the grader calls for want of one label spoils the others.
    by_set = of_test.groupby([*PIXEL_GRADER, "data_set"])["is_learnt"].transform("all")
    is_learnt = of_test.assign(all=by_set).set_index([*PIXEL_GRADER, "data_set", "label"])["all"]
    tests = primary_tests(gains[gains["metric"] == "dice"], chosen, is_learnt, PIXEL_GRADER)
    return {
        "dice": levels,
        "dice_gains": gains.drop(columns=["freedom", "p"]),
        "confusion": confusion_table(pixels),
        "baselines": baselines,
        "dice_chosen": chosen,
        "dice_tests": tests,
    }


def above_chance(levels: pd.DataFrame) -> pd.Series:
    """Whether real tiles only are told from chance, by grader, test set and label.

    By Student's t of the error: the interval, which is stretched where patients are few, holds
    chance for longer than a test of that level needs.
    """
    base = levels[(levels["balance_weight"] == 0) & (levels["split"] == "test")]
    base = base.set_index([*SLIDE_GRADER, "data_set", "label"])
    room = t.ppf(1 - ALPHA / 2, base["freedom"]) * base["error"]
    return base["value"] - room > CHANCE
