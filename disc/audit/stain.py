"""Does it look real? How each label is stained, by its optical densities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from disc.audit.distances import frechet_distance, has_spread
from disc.audit.figures import Figure, refuse, refuse_because
from disc.audit.nearness import NUM_SPLITS, halve
from disc.audit.sets import AuditSet
from disc.evaluate.bootstrap import Array
from disc.labels import NAMES, Label
from disc.seeds import numpy_generator

MIN_TILES = 20
"""Of each set with a label, and of each half of the real patients, without which nothing is told of
it."""
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
    moments = [_moments(held, label) for held in pair]
    rng = numpy_generator(seed, "stain", label)
    most = min(len(moments[0][0]) // 2, len(moments[1][0]))
    halves = [halve(moments[0][1], most, rng) for _ in range(NUM_SPLITS)]
    num = min(most, *(len(one) for one, _ in halves))
    if num < MIN_TILES:
        return refuse(figure, num, MIN_TILES, "tiles a part (real tiles are halved by patient)")
    if not has_spread(moments[0][0], _LEAST_SPREAD):
        return refuse_because(figure, "the real tiles are all stained alike")
    mean, deviation = moments[0][0].mean(axis=0), moments[0][0].std(axis=0) + 1e-9
    (real, owners), (made, makers) = (((part - mean) / deviation, names) for part, names in moments)
    floors = [frechet_distance(real[one], real[other]) for one, other in halves]
    drawn = [_redraw(real, owners, made, makers, rng) for _ in range(100)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return replace(
        figure,
        value=frechet_distance(made, real),
        low=float(low),
        high=float(high),
        floor=float(np.mean(floors)),
        floor_high=float(np.quantile(floors, 0.95)),
        tiles=num,
        clusters=len(set(owners)) + len(set(makers)),
    )


def _moments(held: AuditSet, label: Label) -> tuple[Array, npt.NDArray[np.str_]]:
    chosen = held.facts.fractions[:, label] >= _SHARE
    facts = held.facts
    return (
        np.concatenate([facts.density[chosen, label], facts.spread[chosen, label]], axis=1),
        held.patients[chosen],
    )


def _redraw(
    real: Array,
    owners: npt.NDArray[np.str_],
    made: Array,
    makers: npt.NDArray[np.str_],
    rng: np.random.Generator,
) -> float:
    parts = []
    for values, names in ((made, makers), (real, owners)):
        known, codes = np.unique(names, return_inverse=True)
        drawn = rng.multinomial(len(known), np.full(len(known), 1 / len(known)))
        parts.append(np.repeat(values, drawn[codes], axis=0))
    return frechet_distance(*parts)
