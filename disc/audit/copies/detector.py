"""Copies of training tiles: calibrated on patients that were held out, with planted ones found.

Tiles of a slide overlap and look alike, so a threshold that is set by other tiles of the same
patients calls nothing a copy; here a tile is only ever set beside tiles of other patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from disc.audit.copies.pictures import Pictures, Tiles, take_pictures
from disc.audit.copies.search import Matches, find_matches
from disc.audit.copies.wear import WEARS, find_softness, plant, soften
from disc.seeds import numpy_generator

FALSE_ALARMS = 0.01
"""Of tiles of other patients, at most so many may be called copies."""
MIN_POWER = 0.95
"""Of planted flipped copies, at least so many must be found, or there is no verdict."""
MAX_NULL = 2000
"""Tiles that calibrate, spread evenly over the patients."""
NUM_PLANTED = 200
"""Of each kind of planted copy."""
MIN_NULL = 200
"""Tiles without which nothing can be calibrated."""
MIN_SEARCHED = 20
"""Synthetic tiles without which no rate is told: with none found in 20, 14 % may yet be copies."""
THRESHOLDS = ("flipped", "quarter")
"""Kinds of planted copies that the thresholds are set by."""
Pixels = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A fraction of tiles with its exact 95 % interval; of none, the upper end is one-sided."""

    found: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The fraction."""
        return self.found / self.of if self.of else float("nan")


def rate_of(flags: Flags) -> Rate:
    """How many of some tiles, by the exact binomial.

    >>> rate_of(np.zeros(300, bool)).high.__round__(4)
    0.0099
    """
    found, num = int(flags.sum()), len(flags)
    ends = binomtest(found, num).proportion_ci(0.9 if found == 0 else 0.95)
    return Rate(found=found, of=num, low=float(ends.low), high=float(ends.high))


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """What is called a copy, and how well that works.

    Attributes:
        book: pictures of the training tiles.
        whole: correlation of whole tiles above which one is a copy.
        window: the same of windows of half the side.
        softness: how much softer the synthetic tiles are, which wears what is planted.
        false_alarms: among tiles of other patients.
        alarmed: patients with a false alarm, and all.
        power: of each kind of planted copy.
    """

    book: Pictures
    whole: float
    window: float
    softness: float
    false_alarms: Rate
    alarmed: tuple[int, int]
    power: Mapping[str, Rate]

    @property
    def doubt(self) -> str:
        """Why there is no verdict: planted copies are missed, or others not left alone; else "".

        Flat tiles are all alike: there, whatever is found is found everywhere.
        """
        alarms, power = self.false_alarms, self.power["flipped"]
        parts = []
        if not alarms.value <= 2 * FALSE_ALARMS:
            parts.append(f"{alarms.found} of {alarms.of} tiles of other patients look like copies")
        if not power.value >= MIN_POWER:
            parts.append(f"only {power.found} of {power.of} planted copies are found")
        return " and ".join(parts)

    @property
    def is_able(self) -> bool:
        """Whether there is a verdict."""
        return not self.doubt

    def flag(self, matches: Matches) -> Flags:
        """Which tiles are copies, [N]."""
        flags: Flags = (matches.whole >= self.whole) | (matches.window >= self.window)
        return flags

    def find(self, images: Pixels) -> tuple[Flags, Matches]:
        """Which tiles uint8 [N, H, W, 3] are copies, and what they look most like."""
        matches = find_matches(take_pictures(images), self.book, shown="copies")
        return self.flag(matches), matches


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much a calibration rests on.

    Attributes:
        null: tiles that calibrate, at most.
        planted: copies of each kind.
        kinds: of planted copies, those of `THRESHOLDS` among them.
    """

    null: int
    planted: int
    kinds: tuple[str, ...] = WEARS


def calibrate(
    training: Tiles,
    patients: Sequence[str],
    synthetic: Pixels,
    *,
    seed: int,
    effort: Effort | None = None,
) -> Detector:
    """Set the thresholds on tiles of patients that are left out one by one, and try them.

    A threshold lies halfway between the best match among other patients and what 95 % of planted
    copies reach; where these overlap, at 1 % false alarms. The two scores share the false alarms.

    Args:
        training: tiles uint8 [M, H, W, 3] that may have been copied.
        patients: of each, [M].
        synthetic: tiles uint8 [N, H, W, 3], which say how soft copies would be.
        seed: of samples and planted copies.
        effort: None: that of an audit, `MAX_NULL` and `NUM_PLANTED` of every kind.
    """
    effort = effort or Effort(null=MAX_NULL, planted=NUM_PLANTED)
    owners = np.asarray(patients)
    book = take_pictures(training)
    softness = find_softness(training, synthetic, seed=seed)
    null = _spread(owners, effort.null, seed)
    queries = take_pictures(soften(training[null], softness))
    innocent = find_matches(
        queries, book, owners=list(owners[null]), holders=list(owners), shown="calibration"
    )
    planted = _plant_all(training, owners, book, softness=softness, effort=effort, seed=seed)
    ends = {
        "whole": _threshold(innocent.whole, planted["flipped"].whole),
        "window": _threshold(innocent.window, planted["quarter"].window),
    }
    blank = Rate(found=0, of=0, low=0, high=1)
    detector = Detector(
        book=book, **ends, softness=softness, false_alarms=blank, alarmed=(0, 0), power={}
    )
    alarms = detector.flag(innocent)
    power = {kind: rate_of(detector.flag(matches)) for kind, matches in planted.items()}
    alarmed = len(set(owners[null][alarms])), len(set(owners[null]))
    return Detector(
        book=book,
        **ends,
        softness=softness,
        false_alarms=rate_of(alarms),
        alarmed=alarmed,
        power=power,
    )


def correct(found: Rate, detector: Detector) -> tuple[float, float, float]:
    """The rate of copies, free of false alarms and of copies that are missed.

    Rogan and Gladen 1978; the interval takes the exact ends of all three rates, so it is wider than
    it need be. Its upper end is at least that of no copy found.

    Returns:
        value, low and high, each in 0..1.
    """
    power, alarms = detector.power["flipped"], detector.false_alarms
    ends = [
        (rate - alarm) / max(strength - alarm, 0.05)
        for rate, alarm, strength in (
            (found.value, alarms.value, power.value),
            (found.low, alarms.high, power.high),
            (found.high, alarms.low, power.low),
        )
    ]
    value, low, high = (min(1.0, max(0.0, end)) for end in ends)
    # one copy found bounds no lower than none would
    of_none = rate_of(np.zeros(found.of, bool)).high / max(power.low, 0.05)
    return value, low, max(high, min(1.0, of_none))


def _plant_all(
    training: Tiles,
    owners: npt.NDArray[np.str_],
    book: Pictures,
    *,
    softness: float,
    effort: Effort,
    seed: int,
) -> dict[str, Matches]:
    """What planted copies of every kind look most like."""
    rng = numpy_generator(seed, "planted copies")
    found = {}
    for kind in effort.kinds:
        num = min(effort.planted, len(training))
        chosen = rng.choice(len(training), num, replace=False)
        hosts = _hosts(owners, chosen, rng)
        worn = plant(kind, training[chosen], training[hosts], softness, rng)
        # what a copy is planted in must not be found for its own sake
        found[kind] = find_matches(
            take_pictures(worn), book, owners=list(owners[hosts]), holders=list(owners)
        )
    return found


def _hosts(
    owners: npt.NDArray[np.str_], chosen: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """A tile of another patient for each that is chosen."""
    hosts = rng.integers(len(owners), size=len(chosen))
    for _ in range(100):
        same = owners[hosts] == owners[chosen]
        if not same.any():
            break
        hosts[same] = rng.integers(len(owners), size=int(same.sum()))
    return hosts


def _threshold(innocent: npt.NDArray[np.float64], planted: npt.NDArray[np.float64]) -> float:
    reached, highest = float(np.quantile(planted, 1 - MIN_POWER)), float(innocent.max())
    if reached > highest:
        return (reached + highest) / 2
    return float(np.quantile(innocent, 1 - FALSE_ALARMS / 2))


def _spread(owners: npt.NDArray[np.str_], most: int, seed: int) -> npt.NDArray[np.int64]:
    """Some tiles, as many of each patient as can be."""
    rng, places = numpy_generator(seed, "spread"), np.empty(len(owners), np.int64)
    for owner in np.unique(owners):
        own = np.flatnonzero(owners == owner)
        places[own] = rng.permutation(len(own))
    order = np.lexsort((rng.random(len(owners)), places))
    return np.sort(order[:most])
