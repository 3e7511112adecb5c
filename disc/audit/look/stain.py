"""Does it look real? How each label is stained, by its optical densities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from disc.audit.figures import Figure, refuse, refuse_because
from disc.audit.look.distances import frechet_distance, has_spread
from disc.audit.look.halves import split_patients, subsample, tell_floor
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
    halves = split_patients(moments[0][1], most, rng)
    num = len(halves[0][0])
    if num < MIN_TILES:
        return refuse(figure, num, MIN_TILES, "tiles a part (real tiles are halved by patient)")
    everything = moments[0][0]
    if not has_spread(everything, _LEAST_SPREAD):
        return refuse_because(figure, "the real tiles are all stained alike")
    mean, deviation = everything.mean(axis=0), everything.std(axis=0) + 1e-9
    chosen = [np.sort(rng.choice(len(part), num, replace=False)) for part, _ in moments]
    real, made = (
        ((part - mean)[some] / deviation, names[some])
        for (part, names), some in zip(moments, chosen, strict=True)
    )
    value, low, high = (float(part[0]) for part in subsample(frechet_distance, real, made))
    floor, floor_high = tell_floor(frechet_distance, (everything - mean) / deviation, halves)
    return replace(
        figure,
        value=value,
        low=low,
        high=high,
        floor=float(floor[0]),
        floor_high=float(floor_high[0]),
        tiles=num,
        clusters=len(set(moments[0][1])) + len(set(moments[1][1])),
    )


def _moments(held: AuditSet, label: Label) -> tuple[Array, npt.NDArray[np.str_]]:
    chosen = held.facts.fractions[:, label] >= _SHARE
    facts = held.facts
    return (
        np.concatenate([facts.density[chosen, label], facts.spread[chosen, label]], axis=1),
        held.patients[chosen],
    )
