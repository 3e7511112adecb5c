"""What validation slides tell of graders: temperature, floors, thresholds, how far is too far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from disc.data.pixels.images import Pixels
from disc.data.tiles.tile_set import TileSet
from disc.grade.bags import Bag
from disc.grade.features import describe_posteriors, likeliest_labels
from disc.grade.mil.bag_grader import BagGrader
from disc.grade.pixels import CHUNK
from disc.grade.slides import score_bags
from disc.labels import IGNORE, NUM_LABELS, slide_label
from disc.slides.graders import Examples, Graders
from disc.slides.judging.calibration import Calibration, Floats
from disc.slides.judging.foci import FOCUS_MM2, USUAL_MM2, find_sure, measure_focus
from disc.slides.judging.pixel_sample import PixelSample
from disc.slides.judging.rules import CANCER
from disc.slides.reading.mapping import halfway_features, read_logits, softmax

MAX_TRAIN_TILES = 800
"""Training tiles that say what is familiar."""
FLOORS = (0.01, 0.2)
"""Least and largest share of the tissue that a floor may be."""
HEADS = (0.2, 0.8)
"""Least and largest threshold of a slide grader's label."""
MARGIN = 1.4
"""How much farther than the farthest validation slide a slide may be from the training tiles."""


@dataclass(frozen=True)
class _Seen:
    """What is kept of the validation tiles: little of each, so that many fit into memory."""

    sample: PixelSample
    features: list[Floats] = field(default_factory=list)
    counts: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    """By slide, its pixels by true and by read label, [2, 4]."""
    foci: dict[str, float] = field(default_factory=dict)
    """By slide, the largest region of a tile that graders are sure is cancer, in mm²."""


def calibrate(graders: Graders, examples: Examples) -> Calibration:
    """Set all that is set on validation slides; memory does not grow with their pixels."""
    train, val = examples.train, examples.val
    seen = _read_tiles(graders, val)
    temperature, before, after = seen.sample.fit()
    chosen = np.linspace(0, len(train) - 1, MAX_TRAIN_TILES).round().astype(int)
    familiar = train.only(np.unique(chosen).tolist())
    mean, whitening = whiten(
        np.concatenate([halfway_features(graders.pixel[0], c) for c in _chunks(familiar)])
    )
    bags = _val_bags(graders, val)
    base = Calibration(
        temperature=temperature,
        ece_before=before,
        ece_after=after,
        num_slides=len({tile.slide_id for tile in val.tiles}),
        num_tiles=len(val),
        floors=_set_floors(seen.counts),
        **_set_benign_limits(seen),
        tile_floors=_set_floors(_count_tiles(seen, bags)) if bags and graders.encoder else None,
        heads=set_heads(graders.slide, bags),
        mean=mean,
        whitening=whitening,
        far=1.0,
    )
    slides = np.array([tile.slide_id for tile in val.tiles])
    away = base.distances(np.concatenate(seen.features))
    medians = [float(np.median(away[slides == name])) for name in np.unique(slides)]
    return Calibration(**{**vars(base), "far": MARGIN * max(medians)})


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


def _chunks(tiles: TileSet, indices: Sequence[int] | None = None) -> Iterator[list[Pixels]]:
    """Images of tiles, as many as are read together."""
    chosen = range(len(tiles)) if indices is None else indices
    for start in range(0, len(chosen), CHUNK):
        yield [tiles.image(i) for i in chosen[start : start + CHUNK]]


def _read_tiles(graders: Graders, tiles: TileSet) -> _Seen:
    """Read every tile once: mean logits of the pixel graders, and features of the first."""
    seen, index = _Seen(PixelSample.of(len(tiles))), 0
    for images in _chunks(tiles):
        logits = np.mean([read_logits(net, images) for net in graders.pixel], axis=0)
        seen.features.append(halfway_features(graders.pixel[0], images))
        for each in logits:
            tile, mask = tiles.tiles[index], tiles.mask(index)
            patient = tiles.slides[tile.slide_id].patient_id
            seen.sample.add(each, mask, tile.name, patient)
            counts = seen.counts.setdefault(tile.slide_id, np.zeros((2, NUM_LABELS), np.int64))
            is_known, read = mask != IGNORE, each.argmax(0).astype(np.uint8)
            is_sure = find_sure(softmax(each[None])[0]) & is_known
            focus = measure_focus(is_sure, (graders.um_per_px / 1000) ** 2)
            seen.foci[tile.slide_id] = max(focus, seen.foci.get(tile.slide_id, 0.0))
            for row, labels in enumerate((mask, read)):
                counts[row] += np.bincount(labels[is_known], minlength=NUM_LABELS)
            index += 1
    return seen


def whiten(features: Floats) -> tuple[Floats, Floats]:
    """Mean and whitening of features [n, D]; directions of next to no variance are held back."""
    mean, covariance = features.mean(0), np.cov(features.T)
    values, vectors = np.linalg.eigh(covariance)
    floor = 0.01 * float(values.mean())
    return mean, vectors / np.sqrt(np.maximum(values, floor))


def _set_floors(
    counts: Mapping[str, npt.NDArray[np.int64]],
) -> tuple[float, float, float]:
    """Shares at which a pattern counts, from what slides hold of each label: true, and as read."""
    shares = np.stack([each / each.sum(1, keepdims=True).clip(1) for each in counts.values()])
    found = [
        best_threshold(shares[:, 1, label], shares[:, 0, label] > FLOORS[0], FLOORS, FLOORS[0])
        for label in CANCER
    ]
    return found[0], found[1], found[2]


def _set_benign_limits(seen: _Seen) -> dict[str, float]:
    """How much cancer is no error of the map: share of the tissue, and connected region in mm².

    Slides of very little cancer tell nothing of errors, and are left out.
    """
    pixels = np.stack([seen.counts[name] for name in seen.foci])
    shares = pixels[..., list(CANCER)].sum(-1) / pixels.sum(-1).clip(1)
    true, foci = shares[:, 0], np.array([*seen.foci.values()])
    is_told = (true == 0) | (true > FLOORS[0])
    has_cancer = true[is_told] > 0
    return {
        "cancer_floor": benign_limit(shares[is_told, 1], has_cancer, FLOORS, FLOORS[0]),
        "focus_mm2": benign_limit(foci[is_told], has_cancer, FOCUS_MM2, USUAL_MM2),
    }


def benign_limit(
    values: npt.ArrayLike, truth: npt.ArrayLike, limits: tuple[float, float], usual: float
) -> float:
    """The largest value that is no cancer: as `best_threshold`, but not far beyond the benign.

    That is at most `MARGIN` times the largest value of those without the property.

    >>> benign_limit([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], (0, 1), usual=0.5)
    0.28
    """
    found = best_threshold(values, truth, limits, usual)
    without = np.asarray(values, np.float64)[~np.asarray(truth, bool)]
    if not len(without):
        return found
    return float(np.clip(min(found, MARGIN * without.max()), *limits).round(6))


def _count_tiles(seen: _Seen, bags: Sequence[Bag]) -> dict[str, npt.NDArray[np.int64]]:
    """By slide, its pixels by true label, and its tiles by their likeliest one, [2, 4]."""
    tiles = {
        bag.slide_id: np.bincount(likeliest_labels(bag.features), minlength=NUM_LABELS)
        for bag in bags
    }
    return {name: np.stack([seen.counts[name][0], found]) for name, found in tiles.items()}


def set_heads(nets: Sequence[BagGrader], bags: Sequence[Bag]) -> tuple[float, float, float, float]:
    """Thresholds of the slide graders' labels, NC to GG5."""
    if not nets or not bags:
        return 0.5, 0.5, 0.5, 0.5
    scores = np.mean([score_bags(net, bags) for net in nets], axis=0)
    truth = np.array([bag.truth for bag in bags])
    found = [best_threshold(s, t, HEADS, 0.5) for s, t in zip(scores.T, truth.T, strict=True)]
    return found[0], found[1], found[2], found[3]


def _val_bags(graders: Graders, val: TileSet) -> list[Bag]:
    """What the slide graders read of the validation slides of known score."""
    if graders.encoder is None and graders.public is None:
        return []
    bags = []
    for name, slide in val.slides.items():
        indices = val.bag(name)
        if not indices or slide.primary is None or slide.secondary is None:
            continue
        truth = slide_label(slide.primary, slide.secondary)
        bags.append(make_bag(name, _read_features(graders, val, name, indices), truth))
    return bags


def _read_features(
    graders: Graders, val: TileSet, name: str, indices: Sequence[int]
) -> npt.NDArray[np.float32]:
    if graders.public is not None:
        return graders.public.read(name, (val.image(i) for i in indices))
    assert graders.encoder is not None
    net = graders.encoder.nets[graders.encoder.choose(name)]
    chunks = _chunks(val, indices)
    return np.concatenate([describe_posteriors(softmax(read_logits(net, c))) for c in chunks])


def make_bag(
    name: str, features: npt.NDArray[np.float32], truth: Sequence[int] = (0, 0, 0, 0)
) -> Bag:
    """A bag of features [n, D]; of a slide that is to be graded, the truth is left open."""
    bits = truth[0], truth[1], truth[2], truth[3]
    return Bag(slide_id=name, patient_id=name, features=features, truth=bits, primary=0)
