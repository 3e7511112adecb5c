"""DeLong's standard error of an AUROC, or of a sum of several: a check on the bootstrap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from disc.evaluate.auroc import check_truth

Array = npt.NDArray[np.float64]


def delong(
    truth: npt.ArrayLike, scores: npt.ArrayLike, factors: npt.ArrayLike
) -> tuple[float, float]:
    """A weighted sum of AUROCs on the same slides, and its standard error.

    Holds for slides that are independent: one slide a patient. The graders are taken as they are,
    so what another seed would change is not in the error. E. R. DeLong, D. M. DeLong and
    D. L. Clarke-Pearson, Biometrics 1988; by ranks: X. Sun and W. Xu, IEEE Signal Proc. Lett. 2014.

    Args:
        truth: 0 or 1, [N].
        scores: of each grader, [R, N].
        factors: of each grader's AUROC, [R]; 1 and -1 for a difference.

    Returns:
        value and standard error; NaN where an outcome is absent, and an error of NaN where an
        outcome has one slide.

    >>> value, error = delong([0, 0, 1, 1], [[0.1, 0.4, 0.3, 0.9]], [1])
    >>> round(value, 3), round(error, 3)
    (0.75, 0.354)
    """
    positive, values = check_truth(truth), np.atleast_2d(np.asarray(scores, np.float64))
    if np.isnan(values).any():
        raise ValueError(f"{np.isnan(values).sum()} of {values.size} scores are NaN")
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    if not num_positive or not num_negative:
        return np.nan, np.nan
    ranks = rankdata(values, axis=1)
    # The fraction of negatives below each positive, and of positives above each negative.
    won = (ranks[:, positive] - rankdata(values[:, positive], axis=1)) / num_negative
    lost = 1 - (ranks[:, ~positive] - rankdata(values[:, ~positive], axis=1)) / num_positive
    weights = np.asarray(factors, np.float64)
    of_positives, of_negatives = weights @ won, weights @ lost
    value = float(of_positives.mean())
    if min(num_positive, num_negative) < 2:
        return value, np.nan
    variance = of_positives.var(ddof=1) / num_positive + of_negatives.var(ddof=1) / num_negative
    return value, float(np.sqrt(variance))
