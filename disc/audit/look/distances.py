"""Distances between two sets of features, and how well each set covers the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from disc.evaluate.bootstrap import Array
from disc.evaluate.kernel_distance import standardise

NUM_COMPONENTS = 32
"""Principal components of the real features in which the Frechet distance is taken."""
TILES_PER_COMPONENT = 5
"""Of each set; with fewer the distance is mostly the error of its covariances."""
NEIGHBOURS = 5
"""Of precision, recall, density and coverage."""


def frechet_distance(one: Array, other: Array) -> float:
    """Squared Frechet distance of two normal laws fitted to features [N, D] and [M, D].

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2). Two samples of one law are more than 0 apart, the
    more the fewer they are: compare equal numbers, and see the floor.

    >>> features = np.random.default_rng(0).normal(size=(4000, 2))
    >>> round(frechet_distance(features, features + 1), 3)
    2.0
    """
    (mean, first), (centre, second) = moments(one), moments(other)
    # tr (C1 C2)^1/2 = sum of the roots of the eigenvalues of C1^1/2 C2 C1^1/2
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    middle = np.linalg.eigvalsh(root @ second @ root)
    shared = np.sqrt(middle.clip(min=0)).sum()
    return float(np.square(mean - centre).sum() + np.trace(first) + np.trace(second) - 2 * shared)


def moments(features: Array) -> tuple[Array, Array]:
    """Mean [D] and covariance [D, D]."""
    return features.mean(axis=0), np.cov(features, rowvar=False).reshape((features.shape[1],) * 2)


def has_spread(features: Array, least: float = 1e-6) -> bool:
    """Whether any feature [N, D] varies by more than `least` of its size: its last digits."""
    scale = 1 + np.abs(features).max(axis=0)
    return bool((features.std(axis=0) > least * scale).any())


@dataclass(frozen=True, eq=False)
class Projection:
    """Features standardised by real ones, and their principal components."""

    reference: Array
    axes: Array

    @classmethod
    def fit(cls, real: Array) -> Projection:
        """The components of real features [N, D]."""
        scaled = standardise(real, real)
        _, _, axes = np.linalg.svd(scaled - scaled.mean(axis=0), full_matrices=False)
        return cls(real, axes[:NUM_COMPONENTS].T)

    def project(self, features: Array) -> Array:
        """Components [N, at most 32]."""
        return standardise(features, self.reference) @ self.axes


def num_needed(features: Array) -> int:
    """Tiles of each part that a Frechet distance of features [N, D] needs."""
    num_kept: int = standardise(features, features).shape[1]
    return TILES_PER_COMPONENT * min(NUM_COMPONENTS, num_kept)


def coverage_measures(real: Array, synthetic: Array, k: int = NEIGHBOURS) -> Array:
    """Precision, recall, density and coverage, [4], of features [N, D] and [M, D].

    Kynkäänniemi et al. 2019 and Naeem et al. 2020: balls around tiles, each as large as the
    distance to its k-th neighbour in its own set.
    """
    reach_real, reach_made = _reach(real, k), _reach(synthetic, k)
    apart = _distances(real, synthetic)
    in_real = apart <= reach_real[:, None]
    return np.array(
        [
            in_real.any(axis=0).mean(),
            (apart <= reach_made[None]).any(axis=1).mean(),
            in_real.sum(axis=0).mean() / k,
            (apart.min(axis=1) <= reach_real).mean(),
        ]
    )


def _reach(features: Array, k: int) -> Array:
    apart = _distances(features, features)
    np.fill_diagonal(apart, np.inf)
    result: Array = np.partition(apart, k - 1, axis=1)[:, k - 1]
    return result


def _distances(one: Array, other: Array) -> Array:
    """Squared distances [N, M]."""
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)[None]
    result: Array = np.maximum(squares - 2 * one @ other.T, 0)
    return result
