"""Quadratic weighted kappa of ISUP grade groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
NUM_GROUPS = 6
"""ISUP grade groups 0 (benign) to 5."""


def quadratic_kappa(confusion: npt.ArrayLike) -> Array:
    """Agreement of true and predicted groups beyond chance, errors weighed by squared distance.

    Args:
        confusion: slides, or weights of them, by (truth, predicted), [D, G, G].

    Returns:
        [D]; 1 is full agreement, 0 is chance; NaN where one group alone is true and predicted.

    >>> quadratic_kappa([[[5, 0], [0, 5]], [[5, 5], [5, 5]]])
    array([1., 0.])
    """
    counts = np.asarray(confusion, np.float64)
    groups = np.arange(counts.shape[-1])
    distance = (groups[:, None] - groups) ** 2
    expected = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :]
    # 1 - sum distance * observed / (sum distance * expected / n), [D]
    error = counts.sum(axis=(1, 2)) * (counts * distance).sum(axis=(1, 2))
    at_chance = (expected * distance).sum(axis=(1, 2))
    result = np.full(len(counts), np.nan)
    np.divide(error, at_chance, out=result, where=at_chance > 0)
    return 1 - result


def check_groups(groups: npt.ArrayLike, what: str) -> npt.NDArray[np.int64]:
    """ISUP grade groups as whole numbers.

    Raises:
        ValueError: if one is not 0 to 5.
    """
    values = np.asarray(groups, np.float64)
    is_group = np.isin(values, np.arange(NUM_GROUPS))
    if not is_group.all():
        raise ValueError(f"{what}: {values[~is_group][0]:g} is no ISUP grade group 0 to 5")
    return values.astype(np.int64)
