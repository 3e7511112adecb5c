"""Is it new? Figures and a verdict on copies of the tiles that a generator was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from disc.audit.copies.detector import (
    MIN_NULL,
    MIN_SEARCHED,
    Detector,
    Flags,
    Rate,
    calibrate,
    correct,
    rate_of,
)
from disc.audit.copies.search import Matches
from disc.audit.copies.wear import TEXTS
from disc.audit.figures import Figure, refuse, refuse_because
from disc.audit.sets import AuditSet
from disc.labels import NAMES, Label

MOST_PAIRS = 12
"""Copies that a page shows."""


@dataclass(frozen=True, kw_only=True)
class PairOfTiles:
    """A synthetic tile and what it looks most like.

    Attributes:
        made: index of the synthetic tile.
        like: index of the real tile, in the whole real set.
        score: correlation, -1..1.
        is_whole: of whole tiles; else of a window of half the side.
        is_copy: whether it is above the threshold.
    """

    made: int
    like: int
    score: float
    is_whole: bool
    is_copy: bool


@dataclass(frozen=True, kw_only=True)
class CopyFindings:
    """What was found about copies."""

    figures: list[Figure]
    verdict: str
    pairs: list[PairOfTiles]
    thresholds: tuple[float, float] | None = None


def measure_copies(real: AuditSet, synthetic: AuditSet, *, seed: int) -> CopyFindings:
    """Figures, verdict and the pairs that look most alike.

    Tiles of the slides that the generator saw may have been copied; where nobody says which it saw,
    all real tiles.
    """
    chosen = np.arange(len(real))
    if synthetic.seen is not None:
        chosen = np.flatnonzero(np.isin(real.slides, sorted(synthetic.seen)))
    training = real.take(chosen)
    figure = Figure(part="new", name="copies", text="copies of real tiles, whole or in part")
    if len(training) < MIN_NULL or training.num_patients < 2:
        refused = refuse(figure, len(training), MIN_NULL, "training tiles of 2 patients or more")
        return CopyFindings(figures=[refused], verdict=f"Not told: {refused.refused}.", pairs=[])
    detector = calibrate(training.images, list(training.patients), synthetic.images, seed=seed)
    flags, matches = detector.find(synthetic.images)
    copied = _copied(matches, detector, training)
    if detector.doubt:
        copied = [refuse_because(one, detector.doubt) for one in copied]
    return CopyFindings(
        figures=[
            *_rates(figure, flags, detector, synthetic),
            *_powers(detector),
            *copied,
        ],
        verdict=tell(rate_of(flags), detector),
        pairs=_pairs(flags, matches, detector, chosen),
        thresholds=(detector.whole, detector.window),
    )


def tell(found: Rate, detector: Detector) -> str:
    """The verdict in a sentence.

    A rate that false alarms alone explain is no finding.
    """
    power = detector.power["flipped"]
    strength = f"{power.found} of {power.of} planted copies found"
    alarms = detector.false_alarms
    if detector.doubt:
        return f"Cannot tell: {detector.doubt}."
    if found.found == found.of:
        return f"Everything is a copy: {found.found:,} of {found.of:,} tiles; {strength}."
    if not found.found:
        return (
            f"No copies: 0 of {found.of:,} tiles, so at most "
            f"{_percent(correct(found, detector)[2])} are (95 %); {strength}."
        )
    said = f"{found.found:,} of {found.of:,} tiles are called copies"
    if correct(found, detector)[1] <= 0:
        return (
            f"No more than between real patients: {said}, and up to "
            f"{_percent(alarms.high)} of tiles of other patients would be; {strength}."
        )
    value, low, high = correct(found, detector)
    return (
        f"Copies: {said}; less false alarms {_percent(value)} [{_percent(low)}, "
        f"{_percent(high)}]; {strength}."
    )


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.995 else f"{100 * value:.0f} %"


def _rates(figure: Figure, flags: Flags, detector: Detector, synthetic: AuditSet) -> list[Figure]:
    """The rate of all tiles, and of those of which each label covers half or more."""
    groups: list[tuple[Figure, npt.NDArray[np.bool_]]] = [(figure, np.ones(len(flags), bool))]
    for label in Label:
        text = f"copies among tiles of which {NAMES[label]} covers half or more"
        one = replace(figure, name=f"copies.{label.name}", text=text)
        groups.append((one, synthetic.facts.fractions[:, label] >= 0.5))
    return [tell_rate(one, flags[kept], detector) for one, kept in groups]


def tell_rate(figure: Figure, flags: Flags, detector: Detector) -> Figure:
    """The rate of copies among some tiles, less false alarms; these are its floor."""
    alarms = detector.false_alarms
    figure = replace(figure, floor=alarms.value, floor_high=alarms.high, tiles=len(flags))
    if detector.doubt:
        return refuse_because(figure, detector.doubt)
    if len(flags) < MIN_SEARCHED:
        return refuse(figure, len(flags), MIN_SEARCHED)
    value, low, high = correct(rate_of(flags), detector)
    return replace(figure, value=value, low=low, high=high)


def _powers(detector: Detector) -> list[Figure]:
    figures = [
        _rate_figure(f"power.{kind}", f"planted copies found: {TEXTS[kind]}", rate)
        for kind, rate in detector.power.items()
    ]
    few, all_ = detector.alarmed
    text = f"tiles called copies of other patients' ({few} of {all_} patients have one)"
    return [*figures, _rate_figure("false-alarms", text, detector.false_alarms)]


def _rate_figure(name: str, text: str, rate: Rate) -> Figure:
    return Figure(
        part="new",
        name=name,
        text=text,
        value=rate.value,
        low=rate.low,
        high=rate.high,
        tiles=rate.of,
    )


def _copied(matches: Matches, detector: Detector, training: AuditSet) -> list[Figure]:
    """How many of the training tiles and patients have been copied, whole or in part.

    What a tile that was copied whole is most like in a window is no copy for that, and so on.
    """
    whole = matches.whole_of[matches.whole >= detector.whole]
    window = matches.window_of[matches.window >= detector.window]
    of = np.concatenate([whole, window])
    tiles = np.unique(of[of >= 0])
    patients = set(training.patients[tiles])
    return [
        Figure(
            part="new",
            name="copied-tiles",
            text="training tiles that a copy looks like",
            value=len(tiles) / len(training),
            tiles=len(training),
        ),
        Figure(
            part="new",
            name="copied-patients",
            text="training patients of whom there is a copy",
            value=len(patients) / training.num_patients,
            tiles=training.num_patients,
        ),
    ]


def _pairs(
    flags: Flags, matches: Matches, detector: Detector, chosen: npt.NDArray[np.int64]
) -> list[PairOfTiles]:
    """What looks most alike, worst first, by how far a score is above its threshold."""
    beyond = np.stack([matches.whole - detector.whole, matches.window - detector.window])
    order = np.argsort(-beyond.max(axis=0))[:MOST_PAIRS]
    pairs = []
    for made in order.tolist():
        is_whole = bool(beyond[0, made] >= beyond[1, made])
        scores = matches.whole if is_whole else matches.window
        places = matches.whole_of if is_whole else matches.window_of
        pairs.append(
            PairOfTiles(
                made=made,
                like=int(chosen[places[made]]),
                score=float(scores[made]),
                is_whole=is_whole,
                is_copy=bool(flags[made]),
            )
        )
    return pairs
