"""How near synthetic tiles are to real ones in an encoder's features, beside a real floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from disc.audit.encoders import View
from disc.audit.figures import Figure, refuse, refuse_because
from disc.audit.look.distances import (
    Projection,
    coverage_measures,
    frechet_distance,
    has_spread,
    num_needed,
)
from disc.audit.look.halves import Halves, compare, fill, halve_sets
from disc.audit.request import MANIFOLD, OF_ENCODERS
from disc.audit.sets import AuditSet
from disc.evaluate.bootstrap import Array
from disc.evaluate.kernel_distance import kernel_distance, standardise
from disc.seeds import numpy_generator

MOST = 1500
"""Tiles of a set that are compared all with all."""
LEAST = 25
"""Tiles of a half of each set without which no distance is told."""
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
    names = ("kid",) if is_brief else OF_ENCODERS
    blank = [Figure(part="look", name=f"{n}.{encoder}", text=_text(n, encoder)) for n in names]
    halves = [_halve(view, real, synthetic, seed) for view in views]
    num, num_views = min(part.smallest for part in halves), len(views)
    if num < LEAST:
        return [_refuse(one, num, LEAST, num_views) for one in blank]
    pairs = list(zip(views, halves, strict=True))
    if not all(has_spread(view.real[one]) for view, part in pairs for one, _, _ in part.splits):
        return [refuse_because(one, "real tiles are all alike in it") for one in blank]
    parts = [_measure(view, part, is_brief=is_brief) for view, part in pairs]
    clusters = real.num_patients + synthetic.num_patients
    rows = np.mean(parts, axis=0).T
    figures = [
        fill(replace(one, tiles=num, clusters=clusters), row)
        for one, row in zip(blank, rows, strict=True)
    ]
    needed = max(num_needed(view.real) for view in views)
    if num < needed:
        figures[1:2] = [_refuse(one, num, needed, num_views) for one in blank[1:2]]
    return figures


def _halve(view: View, real: AuditSet, synthetic: AuditSet, seed: int) -> Halves:
    rng = numpy_generator(seed, "nearness")
    return halve_sets(real.patients[view.chosen], synthetic.patients, MOST // 2, rng)


def _measure(view: View, halves: Halves, *, is_brief: bool) -> Array:
    """Rows of value, low, high, floor and 95 % of the floor, a column a measure, [5, K]."""
    # unbiased, so that halves may be of different numbers
    near = compare(_measure_kernel, view.real, view.synthetic, halves, is_even=False)
    if is_brief:
        return near
    spread = compare(_measure_components, view.real, view.synthetic, halves)
    # none is below 0, and all but distance and density are fractions of tiles
    most = [np.inf if name == "density" else 1.0 for name in MANIFOLD]
    spread[1:3] = np.clip(spread[1:3], 0, [np.inf, *most])
    return np.concatenate([near, spread], axis=1)


def _measure_kernel(real: Array) -> Callable[[Array], float]:
    own = standardise(real, real)
    return lambda other: kernel_distance(own, standardise(other, real))


def _measure_components(real: Array) -> Callable[[Array], Array]:
    fit = Projection.fit(real)
    own = fit.project(real)

    def measure(features: Array) -> Array:
        other = fit.project(features)
        return np.append(frechet_distance(own, other), coverage_measures(own, other))

    return measure


def _text(name: str, encoder: str) -> str:
    return f"{TEXTS[name]}, {encoder}"


def _refuse(figure: Figure, found: int, needed: int, num_views: int) -> Figure:
    parts = f"the real set is divided by {2 * num_views}, the synthetic one by 2"
    what = (
        f"tiles in the smallest part ({parts}, by patient or slide: more of these, or larger ones)"
    )
    return refuse(figure, found, needed, what)
