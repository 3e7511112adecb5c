"""How near synthetic tiles are to real ones in an encoder's features, beside a real floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from disc.audit.distances import (
    NEIGHBOURS,
    Projection,
    coverage_measures,
    frechet_distance,
    frechet_statistic,
    has_spread,
)
from disc.audit.encoders import View
from disc.audit.figures import DRAWS, Figure, refuse, refuse_because
from disc.audit.request import MANIFOLD
from disc.audit.sets import AuditSet
from disc.evaluate.bootstrap import Array, cluster_bootstrap
from disc.evaluate.kernel_distance import FeatureSet, distance_statistic, kernel_distance
from disc.seeds import numpy_generator

MOST = 1500
"""Tiles of a set that are compared all with all."""
LEAST = 50
"""Tiles of each set without which no distance is told."""
NUM_SPLITS = 12
"""Ways to halve the real patients."""
_FRECHET_DRAWS = 60
TEXTS = {
    "kid": "kernel distance (KID)",
    "frechet": "Frechet distance, 32 components",
    "precision": "precision: synthetic tiles among real ones",
    "recall-of-real": "recall: real tiles among synthetic ones",
    "density": "density",
    "coverage": "coverage",
}
Codes = npt.NDArray[np.int64]


def measure_nearness(
    encoder: str,
    views: Sequence[View],
    real: AuditSet,
    synthetic: AuditSet,
    *,
    seed: int,
    is_brief: bool = False,
) -> list[Figure]:
    """Distances, precision, recall, density and coverage in one encoder; briefly, the first alone.

    Of several views, each of patients that its network did not see, all numbers are means; so are
    the ends of intervals, which are then wider than they need be.
    """
    num_real, num_made = min(len(view.chosen) for view in views), len(synthetic)
    num = min(MOST, num_real // 2, num_made)
    names = ("kid",) if is_brief else ("kid", "frechet", *MANIFOLD)
    blank = [Figure(part="look", name=f"{n}.{encoder}", text=_text(n, encoder)) for n in names]
    views_per_real = 2 * len(views)
    if num < LEAST:
        return [_refuse(one, num, LEAST, views_per_real) for one in blank]
    if not all(has_spread(view.real) for view in views):
        return [refuse_because(one, "the real tiles are all alike in it") for one in blank]
    fits = [Projection.fit(view.real) for view in views]
    needed = max(fit.needed for fit in fits)
    parts = [
        _Pair(view, fit, real, synthetic, num=num, seed=seed)
        for view, fit in zip(views, fits, strict=True)
    ]
    smallest = min(part.smallest for part in parts)
    if smallest <= NEIGHBOURS:
        what = "tiles of the patients of the smaller half: more patients"
        return [refuse(one, smallest, NEIGHBOURS + 1, what) for one in blank]
    measures: dict[str, Callable[[_Pair], Array]] = {"kid": _kid, "frechet": _frechet}
    figures = []
    for figure, name in zip(blank[:2], measures, strict=False):
        if name == "frechet" and num < needed:
            figures.append(_refuse(figure, num, needed, views_per_real))
            continue
        figures.append(_join(figure, [measures[name](part) for part in parts]))
    spread = [] if is_brief else [_manifold(part) for part in parts]
    figures += [
        _join(figure, [rows[number] for rows in spread]) for number, figure in enumerate(blank[2:])
    ]
    clusters = real.num_patients + synthetic.num_patients
    return [one if one.refused else replace(one, tiles=num, clusters=clusters) for one in figures]


def _text(name: str, encoder: str) -> str:
    return f"{TEXTS[name]}, {encoder}"


def _refuse(figure: Figure, found: int, needed: int, halves: int) -> Figure:
    what = f"tiles a part (the real set is divided by {halves}, by patient)"
    return refuse(figure, found, needed, what)


def _join(figure: Figure, parts: Sequence[Array]) -> Figure:
    """Means over views of value, low, high, floor, floor_high."""
    value, low, high, floor, floor_high = (float(part) for part in np.mean(parts, axis=0))
    return replace(figure, value=value, low=low, high=high, floor=floor, floor_high=floor_high)


class _Pair:
    """Samples of one view, equal in number: synthetic tiles, real ones, and halves of the real."""

    def __init__(
        self,
        view: View,
        fit: Projection,
        real: AuditSet,
        synthetic: AuditSet,
        *,
        num: int,
        seed: int,
    ) -> None:
        """Draw them by a seed."""
        rng = numpy_generator(seed, "nearness")
        owners = real.patients[view.chosen]
        some = np.sort(rng.choice(len(owners), num, replace=False))
        made = np.sort(rng.choice(len(synthetic), num, replace=False))
        self.fit, self.owners, self.all_owners = fit, owners[some], owners
        self.real, self.made = view.real[some], view.synthetic[made]
        self.everything, self.num = view.real, num
        self.makers = np.array([f"synthetic {name}" for name in synthetic.patients[made]])
        self.halves = [halve(owners, num, rng) for _ in range(NUM_SPLITS)]

    @property
    def smallest(self) -> int:
        """Tiles of the smallest half, which has few where one patient has most of them."""
        return min(len(one) for one, _ in self.halves)

    def floor(self, measure: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
        """A measure between halves of the real patients: mean, and what 95 % are below."""
        values = np.array([measure(*(self.everything[half] for half in h)) for h in self.halves])
        return values.mean(axis=0), np.quantile(values, 0.95, axis=0)


def halve(owners: npt.NDArray[np.str_], num: int, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Tiles of two halves of the patients, at most `num` of each, as many of the one as the other.

    Patients are dealt in a random order to the half that has fewer tiles.
    """
    names, codes, counts = np.unique(owners, return_inverse=True, return_counts=True)
    side, sizes = np.zeros(len(names), np.int64), [0, 0]
    for name in rng.permutation(len(names)):
        side[name] = int(sizes[1] < sizes[0])
        sizes[side[name]] += int(counts[name])
    parts = [np.flatnonzero(side[codes] == half) for half in range(2)]
    most = min(num, *(len(part) for part in parts))
    one, other = (np.sort(rng.choice(part, most, replace=False)) for part in parts)
    return one, other


def _kid(pair: _Pair) -> Array:
    scale = pair.fit.scale
    sets = {"made": FeatureSet(scale(pair.made), list(pair.makers))}
    own = FeatureSet(scale(pair.real), list(pair.owners))
    statistic, num = distance_statistic(sets, own, [])
    value, low, high = cluster_bootstrap(statistic, num, draws=DRAWS, seed=0)

    def between(one: Array, other: Array) -> Array:
        return np.array(kernel_distance(scale(one), scale(other)))

    return np.array([value[0], low[0], high[0], *pair.floor(between)])


def _frechet(pair: _Pair) -> Array:
    project = pair.fit.project
    statistic, num = frechet_statistic(
        project(pair.made), pair.makers, project(pair.real), pair.owners
    )
    value, low, high = cluster_bootstrap(statistic, num, draws=_FRECHET_DRAWS, seed=0)

    def between(one: Array, other: Array) -> Array:
        return np.array(frechet_distance(project(one), project(other)))

    return np.array([value[0], low[0], high[0], *pair.floor(between)])


def _manifold(pair: _Pair) -> Array:
    """Rows of the four measures: value, low, high, floor, 95 % of the floor.

    Tiles that are drawn twice would be their own neighbours, so the interval is of random halves
    of the clusters without repetition, scaled to the whole (subsampling).
    """
    project, rng = pair.fit.project, numpy_generator(0, "subsampling")
    real, made = project(pair.real), project(pair.made)
    value = coverage_measures(real, made)
    drawn = []
    for _ in range(40):
        chosen = [_half_of(names, rng) for names in (pair.owners, pair.makers)]
        if min(map(len, chosen)) > 10:
            drawn.append(coverage_measures(real[chosen[0]], made[chosen[1]]))
    # the error of a half is sqrt(2) times that of the whole, and the half holds half of it
    deviation = np.std(drawn, axis=0) if drawn else np.full(4, np.nan)
    low, high = value - 1.96 * deviation, value + 1.96 * deviation

    def between(one: Array, other: Array) -> Array:
        return coverage_measures(project(one), project(other))

    floor, floor_high = pair.floor(between)
    # all but the density are fractions of tiles
    most = np.array([np.inf if name == "density" else 1.0 for name in MANIFOLD])
    return np.stack([value, low.clip(0), np.minimum(high, most), floor, floor_high], axis=1)


def _half_of(names: npt.NDArray[np.str_], rng: np.random.Generator) -> Codes:
    owners = np.unique(names)
    kept = rng.choice(owners, max(1, len(owners) // 2), replace=False)
    return np.flatnonzero(np.isin(names, kept))
