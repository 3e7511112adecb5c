"""How far a value may be from the truth: interval, standard error and p over its draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from disc.evaluate.graders.resampling import Draws

ALPHA = 0.05
"""Two-sided level of every test; intervals hold 1 - ALPHA."""
POWER = 0.8
SPREAD = ("low", "high", "error", "freedom", "p")
"""Interval, standard error with its degrees of freedom, two-sided p of zero."""
ROUNDING = 1e-6
"""Differences nearer to zero than this are none: draws are held in single precision."""
MIN_PATIENTS = 2
"""That a value rests on: with fewer it has no interval."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How many things a value's variance was learned from.

    Attributes:
        seeds: degrees of freedom of the seeds; infinite where none is resampled.
        patients: that the value rests on.
    """

    seeds: float
    patients: int


def measure_spread(
    value: float, drawn: Draws, of_seeds: Draws, evidence: Evidence
) -> tuple[float, float, float, float, float]:
    """`SPREAD`, over the draws in which there is a value.

    The percentile interval is stretched by Student's t over the normal quantile: a few patients
    tell little of how much patients vary, and a few seeds of how much seeds do. Degrees of freedom
    by Satterthwaite, the variance of the patients being what that of the seeds leaves.
    """
    finite = drawn[np.isfinite(drawn)].astype(np.float64)
    if not np.isfinite(value) or len(finite) < 2 or evidence.patients < MIN_PATIENTS:
        return np.nan, np.nan, np.nan, np.nan, np.nan
    variance, of_seed = float(finite.var(ddof=1)), float(np.nanvar(of_seeds.astype(np.float64)))
    of_seed = min(of_seed, variance) if of_seed > ROUNDING**2 else 0.0
    # nu = V^2 / (V_s^2 / nu_s + V_p^2 / nu_p), V = V_s + V_p
    spent = of_seed**2 / evidence.seeds + (variance - of_seed) ** 2 / (evidence.patients - 1)
    freedom = variance**2 / spent if spent > 0 else np.inf
    stretch = t.ppf(1 - ALPHA / 2, freedom) / norm.ppf(1 - ALPHA / 2)
    low, high = value + stretch * (np.quantile(finite, [ALPHA / 2, 1 - ALPHA / 2]) - value)
    error = float(np.sqrt(variance))
    if abs(value) < ROUNDING:
        return float(low), float(high), error, float(freedom), 1.0
    # The larger of the p by the draws and of that by their error: draws end, and t has long tails.
    by_draws = min(1.0, 2 * min((finite <= 0).mean(), (finite >= 0).mean()))
    by_error = 2 * t.sf(abs(value) / max(error, ROUNDING), freedom)
    return float(low), float(high), error, float(freedom), float(max(by_draws, by_error))


def smallest_difference(error: npt.ArrayLike, freedom: npt.ArrayLike) -> Array:
    """The smallest true difference that would be found with power .8 at a two-sided level of .05.

    Args:
        error: standard error of the difference, [N].
        freedom: its degrees of freedom, [N].

    Returns:
        It, or NaN where the error is none: slides that all graders rank alike in every draw show
        nothing of other slides.

    >>> smallest_difference([0.01, 0.01], [np.inf, 2]).round(3)
    array([0.028, 0.054])
    """
    tails = t.ppf(1 - ALPHA / 2, freedom) + t.ppf(POWER, freedom)
    errors = np.asarray(error, np.float64)
    return np.where(errors > ROUNDING, errors, np.nan) * np.asarray(tails, np.float64)
