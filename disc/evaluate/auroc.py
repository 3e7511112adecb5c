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
TINY = 1e-30


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
    positive, values, owner = _check(truth, score, rows)
    # ascending; positives before the negatives that they tie with, of which they win half
    order = np.lexsort((~positive, values))
    steps = list(zip(owner[order].tolist(), positive[order].tolist(), strict=True))
    ties = _mixed_ties(positive, values, owner)

    def area(weights: Weights) -> Weights:
        below, above, won, product = np.zeros((4, weights.shape[1]), weights.dtype)
        for row, is_positive in steps:
            if is_positive:
                np.multiply(weights[row], below, out=product)
                won += product
                above += weights[row]
            else:
                below += weights[row]
        for negatives, positives in ties:
            won += weights[negatives].sum(axis=0) * weights[positives].sum(axis=0) / 2
        return _divide(won, above * below)

    return area


def weigh_auprc(
    truth: npt.ArrayLike, score: npt.ArrayLike, rows: Sequence[int] | None = None
) -> Area:
    """The average precision as a function of weights; as `weigh_auroc`."""
    positive, values, owner = _check(truth, score, rows)
    # descending; negatives before the positives that they tie with
    order = np.lexsort((positive, -values))
    is_last = (np.diff(values[order], append=np.nan) != 0).tolist()
    steps, tied = list[tuple[int, bool, tuple[int, ...]]](), list[int]()
    for row, is_positive, ends in zip(
        owner[order].tolist(), positive[order].tolist(), is_last, strict=True
    ):
        tied += [row] * is_positive
        steps.append((row, is_positive, tuple(tied) if ends else ()))
        tied = [] if ends else tied

    def area(weights: Weights) -> Weights:
        # sum over thresholds of precision times the positives that it adds, / all positives
        hit, miss, total, precision = np.zeros((4, weights.shape[1]), weights.dtype)
        miss += TINY  # where nothing is called yet, precision is 0, not 0 / 0
        for row, is_positive, added in steps:
            if is_positive:
                hit += weights[row]
            else:
                miss += weights[row]
            if added:
                np.add(hit, miss, out=precision)
                np.divide(hit, precision, out=precision)
                precision *= weights[added[0]] if len(added) == 1 else weights[[*added]].sum(axis=0)
                total += precision
        return _divide(np.where(miss > TINY, total, np.nan), hit)

    return area


def _measure(
    weigh: Callable[[npt.ArrayLike, npt.ArrayLike], Area],
    truth: npt.ArrayLike,
    score: npt.ArrayLike,
    weights: Weights | None,
) -> Array:
    columns = np.ones((len(np.asarray(truth)), 1)) if weights is None else np.asarray(weights).T
    return weigh(truth, score)(columns.astype(np.float64)).astype(np.float64)


def check_truth(truth: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which observations are positive.

    Raises:
        ValueError: if one is neither 0 nor 1: an unknown label is no negative, and no positive.
    """
    values = np.asarray(truth, np.float64)
    if num := int((~np.isin(values, (0, 1))).sum()):
        raise ValueError(f"{num} of {len(values)} labels are neither 0 nor 1")
    positive: npt.NDArray[np.bool_] = values == 1
    return positive


def _check(
    truth: npt.ArrayLike, score: npt.ArrayLike, rows: Sequence[int] | None
) -> tuple[npt.NDArray[np.bool_], Array, npt.NDArray[np.int64]]:
    """Truth, scores, and the row of the weights of each observation."""
    positive, values = check_truth(truth), np.asarray(score, np.float64)
    if np.isnan(values).any():
        raise ValueError(f"{np.isnan(values).sum()} of {len(values)} scores are NaN")
    owner = np.arange(len(values)) if rows is None else np.asarray(rows, np.int64)
    return positive, values, owner


def _mixed_ties(
    positive: npt.NDArray[np.bool_], values: Array, owner: npt.NDArray[np.int64]
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Rows of the negatives and of the positives that share a score."""
    shared = np.intersect1d(values[positive], values[~positive])
    return [
        (owner[(values == value) & ~positive], owner[(values == value) & positive])
        for value in shared
    ]


def _divide(part: Weights, whole: Weights) -> Weights:
    result = np.full_like(whole, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
