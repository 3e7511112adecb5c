"""How near synthetic tiles are to real ones in an encoder's features, beside a real floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from disc.audit.encoders import View
from disc.audit.figures import DRAWS, Figure, refuse, refuse_because
from disc.audit.look.distances import Projection, coverage_measures, frechet_distance, has_spread
from disc.audit.look.halves import Measure, split_patients, subsample, tell_floor
from disc.audit.request import MANIFOLD
from disc.audit.sets import AuditSet
from disc.evaluate.bootstrap import Array, cluster_bootstrap
from disc.evaluate.kernel_distance import FeatureSet, distance_statistic, kernel_distance
from disc.seeds import numpy_generator

MOST = 1500
"""Tiles of a set that are compared all with all."""
LEAST = 50
"""Tiles of each set without which no distance is told."""
TEXTS = {
    "kid": "kernel distance (KID)",
    "frechet": "Frechet distance, 32 components",
    "precision": "precision: synthetic tiles among real ones",
    "recall-of-real": "recall: real tiles among synthetic ones",
    "density": "density",
    "coverage": "coverage",
}


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
    num = min(part.num for part in parts)
    if num < LEAST:
        what = "tiles of the patients of the smaller half: more patients"
        return [refuse(one, num, LEAST, what) for one in blank]
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
        """Draw them by a seed, at most `num` of each."""
        rng = numpy_generator(seed, "nearness")
        owners = real.patients[view.chosen]
        self.halves = split_patients(owners, num, rng)
        self.num = len(self.halves[0][0])
        some = np.sort(rng.choice(len(owners), self.num, replace=False))
        made = np.sort(rng.choice(len(synthetic), self.num, replace=False))
        self.fit, self.owners, self.everything = fit, owners[some], view.real
        self.real, self.made = view.real[some], view.synthetic[made]
        self.makers = np.array([f"synthetic {name}" for name in synthetic.patients[made]])


def _kid(pair: _Pair) -> Array:
    scale = pair.fit.scale
    sets = {"made": FeatureSet(scale(pair.made), list(pair.makers))}
    own = FeatureSet(scale(pair.real), list(pair.owners))
    statistic, num = distance_statistic(sets, own, [])
    ends = cluster_bootstrap(statistic, num, draws=DRAWS, seed=0)
    floor = tell_floor(kernel_distance, scale(pair.everything), pair.halves)
    return np.concatenate([*(part[:1] for part in ends), *floor])


def _frechet(pair: _Pair) -> Array:
    rows: Array = _subsampled(pair, frechet_distance)[0]
    return rows


def _manifold(pair: _Pair) -> Array:
    """Rows of the four measures: value, low, high, floor, 95 % of the floor."""
    rows = _subsampled(pair, coverage_measures)
    # all but the density are fractions of tiles
    most = np.array([np.inf if name == "density" else 1.0 for name in MANIFOLD])
    rows[:, 2] = np.minimum(rows[:, 2], most)
    return rows


def _subsampled(pair: _Pair, measure: Measure) -> Array:
    """Rows of a measure of components that tiles drawn twice would mislead."""
    real, made, everything = map(pair.fit.project, (pair.real, pair.made, pair.everything))
    ends = subsample(measure, (real, pair.owners), (made, pair.makers))
    return np.stack([*ends, *tell_floor(measure, everything, pair.halves)], axis=1)
