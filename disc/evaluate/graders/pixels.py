"""Dice, precision and confusion of pixel graders, from pixels.parquet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.evaluate.auroc import MEAN
from disc.evaluate.graders.configurations import (
    CONFIGURATION,
    RUN,
    Statistic,
    measure_settings,
    name_runs,
    refuse_repeated,
)
from disc.evaluate.graders.resampling import split_patients
from disc.grade.confusion import COUNTS
from disc.labels import NUM_LABELS, Label

MIN_SKILL = 0.1
"""Of the way from chance to 1: below it a label counts as not learnt."""
SETTING = ["grader", "truth_kind", "data_set", "split"]
MEASURES = [
    *(("dice", label.name) for label in Label),
    ("dice", MEAN),
    *(("precision", label.name) for label in Label if label != Label.NC),
    ("precision", "GG"),
]
"""What is measured, by metric and label; "GG": all pixels predicted as any Gleason grade."""
Array = npt.NDArray[np.float64]


def pixel_tables(
    pixels: pd.DataFrame, *, draws: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Dice and precision of predicted grades of every configuration, and differences to real only.

    Counts are added up over tiles, then over resampled patients; averaged over runs, which are
    resampled too. The mean Dice is over labels that are present in the truth.

    Args:
        pixels: pixels.parquet.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        Both: grader, truth_kind, data_set, split, variant, balance_weight, metric, label, value,
        low, high, error. Differences: besides, freedom and p, as of `auroc_tables`.

    Raises:
        ValueError: if a setting has no configuration of balance weight 0, one has other slides, or
            a training was tested on a tile twice.

    Paper: Sec. 3 (precision of pixels predicted as a grade).
    """
    if "tile" in pixels:  # older tables lack it
        refuse_repeated(pixels, [*SETTING, "patient", "slide", "tile"])
    ways = _run, _strata, _count_patients
    measured = list(measure_settings(pixels, SETTING, *ways, draws=draws, seed=seed))
    levels = pd.concat([part.levels() for part in measured], ignore_index=True)
    gains = pd.concat([part.differences() for part in measured], ignore_index=True)
    return _name_measures(levels), _name_measures(gains)


def confusion_table(pixels: pd.DataFrame) -> pd.DataFrame:
    """Pixels by true and predicted label of every configuration, over all its runs.

    Returns:
        grader, truth_kind, data_set, split, variant, balance_weight, truth, predicted, pixels,
        fraction (of the pixels of that truth).
    """
    keys = [*SETTING, *CONFIGURATION]
    table = pixels.groupby(keys, sort=True)[COUNTS].sum().reset_index()
    table = table.melt(keys, COUNTS, value_name="pixels")
    names = table.pop("variable").str.split("_", expand=True)
    table = table.assign(truth=names[1], predicted=names[2])
    whole = table.groupby([*keys, "truth"])["pixels"].transform("sum")
    table["fraction"] = table["pixels"] / whole.where(whole > 0)
    return table[[*keys, "truth", "predicted", "pixels", "fraction"]]


def baseline_table(pixels: pd.DataFrame) -> pd.DataFrame:
    """What graders of real tiles only have learnt of each label that is present in the truth.

    `chance` is the Dice of a grader that predicts the label on as many pixels, but anywhere. A
    label counts as learnt where Dice goes a tenth of the way from there to 1, in every training:
    gains over a grader that has not learnt a label say nothing about what was added to its
    training, and one such training of three makes most of a mean gain.

    Args:
        pixels: pixels.parquet.

    Returns:
        grader, truth_kind, data_set, split, label, dice, chance, is_learnt, of the training that
        has learnt it least.
    """
    base = name_runs(pixels[pixels["balance_weight"] == 0])
    rows = []
    for names, part in base.groupby(SETTING, sort=True):
        facts = dict(zip(SETTING, names, strict=True))
        trainings = [_add_up(run) for _, run in part.groupby(list(RUN), dropna=False)]
        for label in Label:
            skills = [_skill(one, label) for one in trainings if one[label].sum() > 0]
            if not skills:
                continue
            dice, chance = min(skills, key=_margin)
            found = {"dice": dice, "chance": chance, "is_learnt": _margin((dice, chance)) > 0}
            rows.append({**facts, "label": label.name, **found})
    return pd.DataFrame(rows, columns=[*SETTING, "label", "dice", "chance", "is_learnt"])


def _skill(counts: Array, label: Label) -> tuple[float, float]:
    """Dice of a label that the truth holds, and that of as many pixels called it anywhere."""
    present, predicted = counts[label].sum(), counts[:, label].sum()
    either = present + predicted
    dice = 2 * counts[label, label] / either
    return float(dice), float(2 * present * predicted / (counts.sum() * either))


def _margin(skill: tuple[float, float]) -> float:
    """How far a Dice lies above what counts as learnt, beside its chance."""
    dice, chance = skill
    return dice - chance - MIN_SKILL * (1 - chance)


def _add_up(rows: pd.DataFrame) -> Array:
    """Pixels by (truth, predicted), [4, 4]."""
    counts: Array = rows[COUNTS].to_numpy(np.float64).sum(axis=0)
    return counts.reshape(NUM_LABELS, NUM_LABELS)


def measure_confusion(confusion: Array, counted: npt.NDArray[np.bool_]) -> Array:
    """Dice and precision of confusion matrices, in the order of `MEASURES`.

    Args:
        confusion: pixels by (truth, predicted), [D, 4, 4].
        counted: labels that the whole sample holds, [4]: those that the mean Dice is over; it is
            NaN where one of them is absent.

    Returns:
        [D, 9]; Dice is NaN for a label that is absent from the sample, or neither present nor
        predicted in a draw; precision for a grade never predicted.

    >>> confusion, counted = np.diag([3.0, 4, 0, 0])[None], np.array([True, True, False, False])
    >>> confusion[0, 0, 1] = 1  # a pixel of NC, predicted as GG3
    >>> measure_confusion(confusion, counted)[0, :2].round(2)
    array([0.86, 0.89])
    """
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    target, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    # 2 TP / (2 TP + FN + FP), [D, 4]
    dice = np.where(counted, _ratio(2 * hits, target + predicted), np.nan)
    mean = np.where((target > 0)[:, counted], dice[:, counted], np.nan).mean(axis=1)
    # TP / (TP + FP) of the grades, [D, 3]
    precision = _ratio(hits[:, 1:], predicted[:, 1:])
    overall = _ratio(hits[:, 1:].sum(axis=1), predicted[:, 1:].sum(axis=1))
    return np.column_stack([dice, mean, precision, overall])


def _run(run: pd.DataFrame, num_patients: int) -> Statistic:
    matrix = _count(run, num_patients)
    # Those of the whole sample: a draw without a rare label would measure another quantity.
    counted = matrix.sum(axis=0).reshape(NUM_LABELS, NUM_LABELS).sum(axis=1) > 0
    return lambda weights: (
        measure_confusion((weights.T @ matrix).reshape(-1, NUM_LABELS, NUM_LABELS), counted).T
    )


def _strata(rows: pd.DataFrame, num_patients: int) -> npt.NDArray[np.bool_]:
    """Patients with and without pixels of the rarest label."""
    return split_patients(_find_patients(rows, num_patients))


def _count_patients(rows: pd.DataFrame, num_patients: int) -> npt.NDArray[np.int64]:
    """Patients who have the labels that each measure is of, in the order of `MEASURES`, [9]."""
    has = _find_patients(rows, num_patients)
    counts, of_grades = has.sum(axis=0), has[:, 1:].any(axis=1).sum()
    fewest = min((count for count in counts if count), default=0)
    return np.array([*counts, fewest, *counts[1:], of_grades])


def _find_patients(rows: pd.DataFrame, num_patients: int) -> npt.NDArray[np.bool_]:
    """Whether a patient has pixels of a label, [patients, 4]."""
    counts = _count(rows, num_patients).reshape(-1, NUM_LABELS, NUM_LABELS)
    has: npt.NDArray[np.bool_] = counts.sum(axis=2) > 0
    return has


def _count(rows: pd.DataFrame, num_patients: int) -> Array:
    """Confusion counts of each patient, [patients, 16]."""
    counts = rows.groupby("patient")[COUNTS].sum().reindex(range(num_patients), fill_value=0)
    matrix: Array = counts.to_numpy(np.float64)
    return matrix


def _ratio(part: Array, whole: Array) -> Array:
    result = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def _name_measures(table: pd.DataFrame) -> pd.DataFrame:
    place = table.columns.get_loc("k")
    table.insert(place, "label", table["k"].map(lambda k: MEASURES[k][1]))
    table.insert(place, "metric", table["k"].map(lambda k: MEASURES[k][0]))
    return table.drop(columns="k")
