"""Does it look real? Sharpness, spectrum, fibres, stain, nuclei; can a probe tell it apart?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from disc.audit.encoders import View
from disc.audit.facts import NUM_BANDS
from disc.audit.figures import (
    DRAWS,
    Figure,
    both,
    mean_of,
    ratio_of,
    refuse,
    refuse_because,
    with_interval,
)
from disc.audit.nearness import MOST, halve
from disc.audit.sets import AuditSet, find_unscaled, main_labels
from disc.audit.stain import MIN_TILES, measure_stain
from disc.evaluate.auroc import weigh_auroc
from disc.evaluate.bootstrap import Array, cluster_bootstrap
from disc.labels import NAMES, Label
from disc.seeds import numpy_generator

MIN_PROBED = 100
NUM_FOLDS = 4
"""Of patients, for the probe."""
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


def measure_probe(
    views: Sequence[View], real: AuditSet, synthetic: AuditSet, *, seed: int
) -> Figure:
    """How well a linear probe tells real from synthetic tiles of patients that it did not see.

    Args:
        views: of all encoders; each is probed, and the best is told.
        real: its patients are kept together.
        synthetic: so are its slides.
        seed: of the sample.
    """
    figure = Figure(
        part="look", name="probe", text="AUROC of the best linear probe that tells them apart"
    )
    num = min(MOST, *(len(view.chosen) for view in views), len(synthetic))
    if num < MIN_PROBED:
        return refuse(figure, num, MIN_PROBED)
    fewest = min(real.num_patients, synthetic.num_patients)
    if fewest < NUM_FOLDS:
        return refuse(figure, fewest, NUM_FOLDS, "patients or slides of one set")
    probed = [_probe(view, real, synthetic, num, seed) for view in views]
    found = [part for part in probed if np.isfinite(part[0])]
    if not found:
        return refuse(figure, 1, 2, "patients or slides of one set, of those that no network saw,")
    best = max(found, key=lambda part: part[0])
    return replace(
        figure,
        value=best[0],
        low=best[1],
        high=best[2],
        floor=mean_of([part[3] for part in found]),
        tiles=num,
        clusters=real.num_patients + synthetic.num_patients,
    )


def _probe(
    view: View, real: AuditSet, synthetic: AuditSet, num: int, seed: int
) -> tuple[float, float, float, float]:
    """AUROC with its interval, and that between two halves of the real patients.

    NaN is either where a kind, or a half, has a single patient.
    """
    rng = numpy_generator(seed, "probe")
    some, made = (rng.choice(len(part), num, replace=False) for part in (view.real, synthetic))
    features = np.concatenate([view.real[some], view.synthetic[made]])
    owners = np.concatenate(
        [real.patients[view.chosen][some], [f"synthetic {n}" for n in synthetic.patients[made]]]
    )
    truth = np.repeat([0, 1], num)
    scores = _scores(features, truth, owners)
    if np.isnan(scores).any():
        return (np.nan,) * 4
    codes = np.unique(owners, return_inverse=True)[1]
    area = weigh_auroc(truth, scores, codes.tolist())

    def statistic(weights: Array) -> Array:
        return np.asarray(area(weights.T), np.float64)[:, None]

    value, low, high = cluster_bootstrap(statistic, int(codes.max()) + 1, draws=DRAWS, seed=0)
    one, other = halve(real.patients[view.chosen], num // 2, rng)
    features = view.real[np.concatenate([one, other])]
    owners = real.patients[view.chosen][np.concatenate([one, other])]
    truth = np.repeat([0, 1], len(one))
    scores = _scores(features, truth, owners)
    ends = float(value[0]), float(low[0]), float(high[0])
    if np.isnan(scores).any():
        return *ends, np.nan
    return *ends, float(np.asarray(weigh_auroc(truth, scores)(np.ones((len(truth), 1))))[0])


def _scores(features: Array, truth: npt.NDArray[np.int64], owners: npt.NDArray[np.str_]) -> Array:
    """Scores of tiles by probes that did not see their patients; NaN where a kind has one alone.

    Every fold holds patients of both kinds, which weigh alike in each probe: patients differ in
    size, and an intercept that followed what is left to learn from would rank folds the wrong way.
    """
    scores = np.full(len(truth), np.nan)
    for test in _folds(truth, owners):
        train = np.ones(len(truth), bool)
        train[test] = False
        mean, deviation = features[train].mean(axis=0), features[train].std(axis=0) + 1e-9
        probe = LogisticRegression(C=0.1, max_iter=300, class_weight="balanced")
        probe.fit((features[train] - mean) / deviation, truth[train])
        scores[test] = probe.decision_function((features[test] - mean) / deviation)
    return scores


def _folds(
    truth: npt.NDArray[np.int64], owners: npt.NDArray[np.str_]
) -> Iterator[npt.NDArray[np.int64]]:
    """Tiles of each fold: as many folds of each kind's patients, joined."""
    kinds = [np.flatnonzero(truth == kind) for kind in (0, 1)]
    num = min(NUM_FOLDS, *(len(set(owners[kind])) for kind in kinds))
    if num > 1:
        parts = [GroupKFold(num).split(kind, groups=owners[kind]) for kind in kinds]
        for one, other in zip(*parts, strict=True):
            yield np.concatenate([kinds[0][one[1]], kinds[1][other[1]]])


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
    figure = Figure(
        part="look",
        name=f"gradient.{label.name}",
        text=f"gradient energy of {NAMES[label]} over that of real tiles (below 1: blurred)",
        ceiling=1.0,
        tiles=min(_support(pair, label)),
    )
    return _ratio(
        figure, pair, lambda s: s.facts.energy[:, label], lambda s: s.facts.energy_px[:, label]
    )


def measure_coherence(pair: Pair, label: Label) -> Figure:
    """Whether a label's tissue runs one way, as stroma does; real first, synthetic over it."""
    figure = Figure(
        part="look",
        name=f"coherence.{label.name}",
        text=f"how far gradients of {NAMES[label]} in a tile run one way (structure tensor), over "
        "real tiles (below 1: fibres are missing, or run every way)",
        ceiling=1.0,
        tiles=min(_support(pair, label)),
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
        figure = Figure(
            part="look",
            name=f"spectrum.{label.name}:{2 ** (band + 1)}",
            text=f"power of {NAMES[label]} at {2 ** (band + 1)}-{2 ** (band + 2)} px over real",
            ceiling=1.0,
            tiles=fewest,
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
        mean = Figure(
            part="look",
            name=f"stain-mean.{named}",
            text=f"mean optical density of {NAMES[label]} in {colour} over that of real tiles",
            ceiling=1.0,
            tiles=min(_support(pair, label)),
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
    figure = Figure(
        part="look",
        name=f"nuclei.{label.name}",
        text=f"dark blobs of a nucleus's size per area of {NAMES[label]} over real",
        ceiling=1.0,
        tiles=min(_support(pair, label)),
    )
    unknown = find_unscaled(*pair)
    if unknown and figure.tiles >= MIN_TILES:
        said = f"nobody says how wide a pixel of {unknown} is, and nuclei are found by their size"
        return refuse_because(figure, said)
    return _ratio(
        figure, pair, lambda s: s.facts.nuclei[:, label], lambda s: s.facts.area_px[:, label]
    )


def _tissue(pair: Pair) -> Figure:
    figure = Figure(
        part="look",
        name="tissue",
        text="fraction of tissue (not glass) over that of real tiles",
        ceiling=1.0,
        tiles=min(len(held) for held in pair),
    )
    return _ratio(figure, pair, lambda s: s.facts.tissue, lambda s: np.ones(len(s)))
