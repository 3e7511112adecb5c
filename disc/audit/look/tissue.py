"""Does it look real? Sharpness, spectrum, fibres, stain, nuclei, tissue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from disc.audit.facts import NUM_BANDS
from disc.audit.figures import (
    Figure,
    both,
    ratio_of,
    refuse,
    refuse_because,
    with_interval,
)
from disc.audit.look.stain import MIN_TILES, measure_stain
from disc.audit.sets import AuditSet, find_unscaled, main_labels
from disc.evaluate.bootstrap import Array
from disc.labels import NAMES, Label

COLOURS = ("red", "green", "blue")
Pair = tuple[AuditSet, AuditSet]


def measure_look(real: AuditSet, synthetic: AuditSet, *, seed: int) -> list[Figure]:
    """Figures that need no network; real first, synthetic over it."""
    pair = real, synthetic
    figures = [_tissue(pair)]
    for label in Label:
        figures += [measure_gradient(pair, label), *_spectrum(pair, label)]
        figures += [
            measure_coherence(pair, label),
            _nuclei(pair, label),
            measure_stain(pair, label, seed),
            *_densities(pair, label),
        ]
    return figures


def _over_real(name: str, text: str, tiles: int) -> Figure:
    """A ratio to real tiles that is yet to be measured."""
    return Figure(part="look", name=name, text=text, ceiling=1.0, tiles=tiles)


def _ratio(
    figure: Figure,
    pair: Pair,
    above: Callable[[AuditSet], Array],
    below: Callable[[AuditSet], Array],
) -> Figure:
    """The synthetic set's sum over sum, divided by the real set's; refused where that is 0.

    So it is of a figure of too few tiles.
    """
    if figure.tiles < MIN_TILES:
        return refuse(figure, figure.tiles, MIN_TILES)
    if not above(pair[0]).any():
        return refuse_because(figure, "nothing to divide by: it is 0 in all real tiles")
    parts = [ratio_of(above(held), below(held), held.patients) for held in (pair[1], pair[0])]
    return with_interval(figure, *both(*parts))


def _support(pair: Pair, label: Label, least: float = 0.0) -> list[int]:
    """Tiles with a label of the real and of the synthetic set."""
    return [int((held.facts.fractions[:, label] > least).sum()) for held in pair]


def measure_gradient(pair: Pair, label: Label) -> Figure:
    """Sharpness of a label's tissue; real first, synthetic over it."""
    figure = _over_real(
        f"gradient.{label.name}",
        f"gradient energy of {NAMES[label]} over that of real tiles (below 1: blurred)",
        min(_support(pair, label)),
    )
    return _ratio(
        figure, pair, lambda s: s.facts.energy[:, label], lambda s: s.facts.energy_px[:, label]
    )


def measure_coherence(pair: Pair, label: Label) -> Figure:
    """Whether a label's tissue runs one way, as stroma does; real first, synthetic over it."""
    figure = _over_real(
        f"coherence.{label.name}",
        f"how far gradients of {NAMES[label]} in a tile run one way (structure tensor), over "
        "real tiles (below 1: fibres are missing, or run every way)",
        min(_support(pair, label)),
    )
    return _ratio(
        figure, pair, lambda s: s.facts.parallel[:, label], lambda s: s.facts.gradients[:, label]
    )


def _spectrum(pair: Pair, label: Label) -> list[Figure]:
    """Power by octave in tiles that one label covers by 80 %."""
    figures = []
    chosen = [held.take(np.flatnonzero(main_labels(held.facts) == label)) for held in pair]
    fewest = min(len(held) for held in chosen)
    for band in range(NUM_BANDS):
        figure = _over_real(
            f"spectrum.{label.name}:{2 ** (band + 1)}",
            f"power of {NAMES[label]} at {2 ** (band + 1)}-{2 ** (band + 2)} px over real",
            fewest,
        )
        if fewest < MIN_TILES or any(held.facts.bands[:, band].any() for held in chosen):
            figures.append(
                _ratio(
                    figure,
                    (chosen[0], chosen[1]),
                    lambda s, band=band: s.facts.bands[:, band],  # type: ignore[misc]
                    lambda s: np.ones(len(s)),
                )
            )
    return figures


def _densities(pair: Pair, label: Label) -> list[Figure]:
    """Optical density by colour, of all pixels of a label, and how it varies within a tile."""
    figures = []
    for place, colour in enumerate(COLOURS):
        named = f"{label.name}:{colour}"
        mean = _over_real(
            f"stain-mean.{named}",
            f"mean optical density of {NAMES[label]} in {colour} over that of real tiles",
            min(_support(pair, label)),
        )
        spread = replace(
            mean,
            name=f"stain-deviation.{named}",
            text=f"its standard deviation within a tile, of {NAMES[label]} in {colour}, over real",
        )
        for figure, measure in ((mean, "density"), (spread, "spread")):
            above = partial(_sum_over_pixels, measure=measure, label=label, place=place)
            figures.append(_ratio(figure, pair, above, lambda s: s.facts.area_px[:, label]))
    return figures


def _sum_over_pixels(held: AuditSet, *, measure: str, label: Label, place: int) -> Array:
    """A tile's mean, or deviation, of a colour in a label, times the pixels that it is of, [N]."""
    values: Array = getattr(held.facts, measure)[:, label, place]
    return values * held.facts.area_px[:, label]


def _nuclei(pair: Pair, label: Label) -> Figure:
    figure = _over_real(
        f"nuclei.{label.name}",
        f"dark blobs of a nucleus's size per area of {NAMES[label]} over real",
        min(_support(pair, label)),
    )
    unknown = find_unscaled(*pair)
    if unknown and figure.tiles >= MIN_TILES:
        said = f"nobody says how wide a pixel of {unknown} is, and nuclei are found by their size"
        return refuse_because(figure, said)
    return _ratio(
        figure, pair, lambda s: s.facts.nuclei[:, label], lambda s: s.facts.area_px[:, label]
    )


def _tissue(pair: Pair) -> Figure:
    figure = _over_real(
        "tissue",
        "fraction of tissue (not glass) over that of real tiles",
        min(len(held) for held in pair),
    )
    return _ratio(figure, pair, lambda s: s.facts.tissue, lambda s: np.ones(len(s)))
