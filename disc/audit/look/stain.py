"""Does it look real? How each label is stained, by its optical densities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from disc.audit.figures import Figure, refuse, refuse_because
from disc.audit.look.distances import frechet_distance, has_spread
from disc.audit.look.halves import compare, fill, halve_sets
from disc.audit.sets import AuditSet
from disc.evaluate.bootstrap import Array
from disc.labels import NAMES, Label
from disc.seeds import numpy_generator

MIN_TILES = 20
"""With a label, of each half of either set, without which nothing is told of it."""
_SHARE = 0.1
"""Of a tile that a label covers, for its stain to be measured."""
_LEAST_SPREAD = 1e-4
"""Of optical densities; a grey level is ten times as much, and less is the error of their sums."""


def measure_stain(pair: tuple[AuditSet, AuditSet], label: Label, seed: int) -> Figure:
    """Frechet distance of mean and deviation of optical density, in units of the real spread."""
    figure = Figure(
        part="look",
        name=f"stain.{label.name}",
        text=f"Frechet distance of the optical densities of {NAMES[label]}",
    )
    (real, owners), (made, makers) = (_moments(held, label) for held in pair)
    if not len(made):
        return refuse(figure, 0, MIN_TILES)
    halves = halve_sets(owners, makers, len(owners), numpy_generator(seed, "stain", label))
    if halves.smallest < MIN_TILES:
        what = (
            "tiles in the smallest part (sets are halved by patient or slide: more, or larger ones)"
        )
        return refuse(figure, halves.smallest, MIN_TILES, what)
    if not all(has_spread(real[one], _LEAST_SPREAD) for one, _, _ in halves.splits):
        return refuse_because(figure, "real tiles are all stained alike")
    row = compare(_measure, real, made, halves)[:, 0]
    row[1] = max(row[1], 0.0)
    clusters = len(set(owners)) + len(set(makers))
    return fill(replace(figure, tiles=halves.smallest, clusters=clusters), row)


def _measure(real: Array) -> Callable[[Array], float]:
    mean, deviation = real.mean(axis=0), real.std(axis=0) + 1e-9
    own = (real - mean) / deviation
    return lambda other: frechet_distance(own, (other - mean) / deviation)


def _moments(held: AuditSet, label: Label) -> tuple[Array, npt.NDArray[np.str_]]:
    chosen = held.facts.fractions[:, label] >= _SHARE
    facts = held.facts
    return (
        np.concatenate([facts.density[chosen, label], facts.spread[chosen, label]], axis=1),
        held.patients[chosen],
    )
