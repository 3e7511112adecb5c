"""What validation slides tell of graders: temperature, floors, thresholds, how far is too far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from disc.data.tiles.tile_set import TileSet
from disc.grade.bags import Bag
from disc.grade.features import describe_posteriors
from disc.grade.pixels import CHUNK
from disc.grade.slides import score_bags
from disc.labels import IGNORE, NUM_LABELS, slide_label
from disc.slides.graders import Graders
from disc.slides.judging.rules import CANCER
from disc.slides.reading.mapping import halfway_features, read_logits, softmax, window_weights

Floats = npt.NDArray[np.float64]
MAX_TRAIN_TILES = 800
"""Training tiles that say what is familiar."""
MAX_PIXELS = 300_000
"""Pixels that the temperature is fitted on."""
NUM_BINS = 15
FLOORS = (0.01, 0.2)
"""Least and largest share of the tissue that a floor may be."""
HEADS = (0.2, 0.8)
"""Least and largest threshold of a slide grader's label."""
MARGIN = 1.4
"""How much farther than the farthest validation slide a slide may be from the training tiles."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """What was set on validation slides.

    Attributes:
        temperature: by which the pixel grader's logits are divided.
        ece_before: expected calibration error of pixels, without it.
        ece_after: with it, fitted on the other half of the patients; None: there is one patient.
        num_slides: validation slides.
        num_tiles: their tiles.
        floors: shares of tissue that GG3, GG4 and GG5 must reach to count.
        heads: thresholds of the slide graders' labels NC to GG5.
        mean: of the training tiles' features, [D].
        whitening: turns differences to it into numbers of standard deviation 1, [D, D].
        far: median distance of a slide's windows beyond which it is unlike the training tiles.
    """

    temperature: float
    ece_before: float
    ece_after: float | None
    num_slides: int
    num_tiles: int
    floors: tuple[float, float, float]
    heads: tuple[float, float, float, float]
    mean: Floats
    whitening: Floats
    far: float

    def distances(self, features: Floats) -> Floats:
        """How far features [n, D] are from the training tiles, [n], without a unit."""
        away = (features - self.mean) @ self.whitening
        found: Floats = np.sqrt((away**2).mean(1))
        return found


def calibrate(graders: Graders) -> Calibration:
    """Set all that is set on validation slides."""
    val = graders.val
    logits, masks = _read_tiles(graders, val)
    patients = np.array([val.slides[tile.slide_id].patient_id for tile in val.tiles])
    temperature, before, after = _fit_temperature(logits, masks, patients)
    chosen = np.linspace(0, len(graders.train) - 1, MAX_TRAIN_TILES).round().astype(int)
    familiar = _features(graders, graders.train.only(np.unique(chosen).tolist()))
    mean, whitening = _whiten(familiar)
    base = Calibration(
        temperature=temperature,
        ece_before=before,
        ece_after=after,
        num_slides=len({tile.slide_id for tile in val.tiles}),
        num_tiles=len(val),
        floors=_set_floors(val, logits, masks),
        heads=_set_heads(graders),
        mean=mean,
        whitening=whitening,
        far=0.0,
    )
    slides = np.array([tile.slide_id for tile in val.tiles])
    away = base.distances(_features(graders, val))
    medians = [float(np.median(away[slides == name])) for name in np.unique(slides)]
    return Calibration(**{**vars(base), "far": MARGIN * max(medians)})


def calibration_error(
    probabilities: Floats, truth: npt.NDArray[np.int64], weights: Floats
) -> float:
    """Expected calibration error of the likeliest label, over 15 bins of confidence.

    Args:
        probabilities: [n, 4].
        truth: labels [n].
        weights: of the pixels [n].
    """
    confidence, is_right = probabilities.max(1), probabilities.argmax(1) == truth
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    sums = [
        np.bincount(bins, weights * values, NUM_BINS) for values in (confidence, is_right * 1.0)
    ]
    return float(np.abs(sums[0] - sums[1]).sum() / weights.sum())


def best_threshold(
    values: npt.ArrayLike, truth: npt.ArrayLike, limits: tuple[float, float], usual: float
) -> float:
    """The threshold that tells those with a property from those without best, within limits.

    By the mean of sensitivity and specificity; `usual` where all or none have the property.

    >>> best_threshold([0.1, 0.2, 0.6, 0.7], [0, 0, 1, 1], (0, 1), usual=0.5)
    0.4
    """
    numbers, has = np.asarray(values, np.float64), np.asarray(truth, bool)
    if has.all() or not has.any():
        return usual
    ordered = np.unique(numbers)
    middles = (ordered[1:] + ordered[:-1]) / 2 if len(ordered) > 1 else np.array([usual])
    merits = [(numbers[has] >= m).mean() + (numbers[~has] < m).mean() for m in middles]
    best = middles[np.isclose(merits, max(merits))]
    return float(np.clip(best[len(best) // 2], *limits).round(6))


def _read_tiles(graders: Graders, tiles: TileSet) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Mean logits of the pixel graders, [n, 4, P, P], and masks."""
    found = []
    for start in range(0, len(tiles), CHUNK):
        images = [tiles.image(i) for i in range(start, min(len(tiles), start + CHUNK))]
        found.append(np.mean([read_logits(net, images) for net in graders.pixel], axis=0))
    masks = np.stack([tiles.mask(i) for i in range(len(tiles))])
    return np.concatenate(found), masks


def _fit_temperature(
    logits: Floats, masks: npt.NDArray[np.uint8], patients: npt.NDArray[np.str_]
) -> tuple[float, float, float | None]:
    """Temperature, and calibration errors without it and with that of the other patients."""
    weights = np.broadcast_to(window_weights(masks.shape[-1]), masks.shape)
    # Pixels as windows count in the map: their rims little.
    is_known = (masks != IGNORE) & (weights > 0)
    step = max(1, int(is_known.sum()) // MAX_PIXELS)
    places = np.flatnonzero(is_known)[::step]
    pixels = np.moveaxis(logits, 1, -1).reshape(-1, NUM_LABELS)[places].astype(np.float64)
    truth, weight = masks.ravel()[places].astype(np.int64), weights.ravel()[places].astype(float)
    names = np.unique(patients)
    of_second = np.isin(patients, names[1::2])
    second = np.repeat(of_second, masks[0].size)[places]
    before, after = calibration_error(softmax(pixels), truth, weight), None
    if len(names) > 1:
        fitted = np.empty_like(pixels)
        for part in (second, ~second):
            fitted[part] = softmax(
                pixels[part] / _temperature(pixels[~part], truth[~part], weight[~part])
            )
        after = calibration_error(fitted, truth, weight)
    return _temperature(pixels, truth, weight), before, after


def _temperature(logits: Floats, truth: npt.NDArray[np.int64], weights: Floats) -> float:
    """The temperature of least log loss."""

    def loss(log_temperature: float) -> float:
        chosen = softmax(logits / np.exp(log_temperature))[np.arange(len(truth)), truth]
        return float(-(weights * np.log(chosen.clip(1e-9))).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 2.5), method="bounded").x))


def _features(graders: Graders, tiles: TileSet) -> Floats:
    found = []
    for start in range(0, len(tiles), CHUNK):
        images = [tiles.image(i) for i in range(start, min(len(tiles), start + CHUNK))]
        found.append(halfway_features(graders.pixel[0], images))
    return np.concatenate(found)


def _whiten(features: Floats) -> tuple[Floats, Floats]:
    """Mean and whitening of features [n, D]; directions of next to no variance are held back."""
    mean, covariance = features.mean(0), np.cov(features.T)
    values, vectors = np.linalg.eigh(covariance)
    floor = 0.01 * float(values.mean())
    return mean, vectors / np.sqrt(np.maximum(values, floor))


def _set_floors(
    tiles: TileSet, logits: Floats, masks: npt.NDArray[np.uint8]
) -> tuple[float, float, float]:
    """Shares of the tissue at which a pattern counts."""
    names = np.array([tile.slide_id for tile in tiles.tiles])
    read = logits.argmax(1)
    floors = []
    for label in CANCER:
        shares, has = [], []
        for name in np.unique(names):
            known = masks[names == name] != IGNORE
            shares.append((read[names == name][known] == label).mean() if known.any() else 0.0)
            has.append(
                (masks[names == name][known] == label).mean() > FLOORS[0] if known.any() else 0
            )
        floors.append(best_threshold(shares, has, FLOORS, FLOORS[0]))
    return floors[0], floors[1], floors[2]


def _set_heads(graders: Graders) -> tuple[float, float, float, float]:
    """Thresholds of the slide graders' labels."""
    bags = _val_bags(graders)
    if not graders.slide or not bags:
        return 0.5, 0.5, 0.5, 0.5
    scores = np.mean([score_bags(net, bags) for net in graders.slide], axis=0)
    truth = np.array([bag.truth for bag in bags])
    found = [best_threshold(s, t, HEADS, 0.5) for s, t in zip(scores.T, truth.T, strict=True)]
    return found[0], found[1], found[2], found[3]


def _val_bags(graders: Graders) -> list[Bag]:
    encoder, val = graders.encoder, graders.val
    if encoder is None:
        return []
    bags = []
    for name, slide in val.slides.items():
        images = [val.image(i) for i in val.bag(name)]
        if not images or slide.primary is None or slide.secondary is None:
            continue
        net = encoder.nets[encoder.choose(name)]
        chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
        features = [describe_posteriors(softmax(read_logits(net, chunk))) for chunk in chunks]
        truth = slide_label(slide.primary, slide.secondary)
        bags.append(make_bag(name, np.concatenate(features), truth))
    return bags


def make_bag(
    name: str, features: npt.NDArray[np.float32], truth: Sequence[int] = (0, 0, 0, 0)
) -> Bag:
    """A bag of features [n, D]; of a slide that is to be graded, the truth is left open."""
    bits = truth[0], truth[1], truth[2], truth[3]
    return Bag(slide_id=name, patient_id=name, features=features, truth=bits, primary=0)
