"""Area under the ROC curve and average precision, for many weightings of the slides at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from disc.labels import Label

MEAN = "mean"
LABELS = [label.name for label in Label]
Array = npt.NDArray[np.float64]
Weights = npt.NDArray[np.floating]
"""Weights of observations or of their patients, one column a draw, [rows, D]."""
Area = Callable[[Weights], Weights]
"""Weights [rows, D] -> [D], NaN where one outcome has no weight."""
_Ties = list[tuple[list[int], list[int]]]
"""Rows of equal score, (negatives, positives), in the order of the score."""


def auroc(truth: npt.ArrayLike, score: npt.ArrayLike, weights: Weights | None = None) -> Array:
    """Area under the ROC curve: how often a positive scores above a negative; ties count half.

    Args:
        truth: 0 or 1, [N].
        score: [N].
        weights: of the observations, [D, N]; by default all 1.

    Returns:
        [D], NaN where there is no positive or no negative.

    Raises:
        ValueError: if a score is NaN.

    >>> auroc([0, 1, 1], [0.2, 0.1, 0.9])
    array([0.5])
    """
    return _measure(weigh_auroc, truth, score, weights)


def auprc(truth: npt.ArrayLike, score: npt.ArrayLike, weights: Weights | None = None) -> Array:
    """Area under the curve of precision over recall, as the average precision; as `auroc`.

    At chance it is the fraction of positives.

    >>> auprc([0, 1, 1], [0.2, 0.1, 0.9]).round(3)
    array([0.833])
    """
    return _measure(weigh_auprc, truth, score, weights)


def weigh_auroc(
    truth: npt.ArrayLike, score: npt.ArrayLike, rows: Sequence[int] | None = None
) -> Area:
    """The AUROC as a function of weights: scores are sorted once, then summed up for each draw.

    Args:
        truth: 0 or 1, [N].
        score: [N].
        rows: the row of the weights that each observation has, [N]; by default its own.

    Raises:
        ValueError: if a score is NaN.
    """
    ties = _group_ties(truth, score, rows)

    def area(weights: Weights) -> Weights:
        below, above, won, product = np.zeros((4, weights.shape[1]), weights.dtype)
        for negatives, positives in ties:
            # Of negatives that tie with positives, half are won.
            half = sum(weights[row] for row in negatives) / 2 if negatives and positives else None
            if half is not None:
                below += half
            for row in positives:
                np.multiply(weights[row], below, out=product)
                won += product
                above += weights[row]
            if half is not None:
                below += half
            for row in [] if positives else negatives:
                below += weights[row]
        return _divide(won, above * below)

    return area


def weigh_auprc(
    truth: npt.ArrayLike, score: npt.ArrayLike, rows: Sequence[int] | None = None
) -> Area:
    """The average precision as a function of weights; as `weigh_auroc`."""
    ties = _group_ties(truth, score, rows)[::-1]

    def area(weights: Weights) -> Weights:
        # sum over thresholds of precision times the positives that it adds, / all positives
        positive, negative, total = np.zeros((3, weights.shape[1]), weights.dtype)
        for negatives, positives in ties:
            for row in negatives:
                negative += weights[row]
            if positives:
                added = sum(weights[row] for row in positives)
                positive += added
                called = positive + negative
                total += added * positive / np.where(called > 0, called, 1)
        return _divide(np.where(negative > 0, total, np.nan), positive)

    return area


def _measure(
    weigh: Callable[[npt.ArrayLike, npt.ArrayLike], Area],
    truth: npt.ArrayLike,
    score: npt.ArrayLike,
    weights: Weights | None,
) -> Array:
    columns = np.ones((len(np.asarray(truth)), 1)) if weights is None else np.asarray(weights).T
    return weigh(truth, score)(columns.astype(np.float64))


def _group_ties(truth: npt.ArrayLike, score: npt.ArrayLike, rows: Sequence[int] | None) -> _Ties:
    positive, values = np.asarray(truth, bool), np.asarray(score, np.float64)
    if np.isnan(values).any():
        raise ValueError(f"{np.isnan(values).sum()} of {len(values)} scores are NaN")
    owner = np.arange(len(values)) if rows is None else np.asarray(rows)
    ties: _Ties = []
    order = np.argsort(values, kind="stable")
    for place, index in enumerate(order):
        if place == 0 or values[index] != values[order[place - 1]]:
            ties.append(([], []))
        ties[-1][int(positive[index])].append(int(owner[index]))
    return ties


def _divide(part: Weights, whole: Weights) -> Weights:
    result = np.full_like(whole, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
