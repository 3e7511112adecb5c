"""Whether masks are followed: agreement, recall by label, region and distance, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.audit.asked.learnt import SHUFFLES, Readers
from disc.audit.asked.transfer import MIN_TILES, measure_transfer
from disc.audit.figures import Figure, mean_of, ratio_of, refuse, with_interval
from disc.audit.sets import AuditSet, find_labelled
from disc.evaluate.agreement import primary_measure, recalls
from disc.evaluate.referee import read_tiles
from disc.labels import NAMES, NUM_LABELS, Label
from disc.seeds import numpy_generator

TOLERANCES = (0, 2, 4, 8, 16, 32, 64)
"""Pixels from a border within which nothing counts."""
SIZES = (("0-5%", 0.0, 0.05), ("5-20%", 0.05, 0.2), ("20-50%", 0.2, 0.5), ("50-100%", 0.5, 1.01))
"""Of a region, in fractions of the tile."""
Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]


def measure_asked(
    real: AuditSet, synthetic: AuditSet, readers: Readers, *, steps: int, seed: int
) -> list[Figure]:
    """All figures of this question.

    Args:
        real: with masks.
        synthetic: with masks.
        readers: segmenters, and what they read in the real tiles.
        steps: of the training of the segmenter on synthetic tiles; 0: none is trained.
        seed: of that training, and of shuffled masks.
    """
    own = readers.own
    readings = [read_tiles(net, synthetic.images) for net in readers.segmenters.nets]
    figures = [
        _agreement(real, synthetic, own, readings, seed=seed),
        *_by_label(real, synthetic, own, readings),
        *_by_size(real, synthetic, own, readings),
        *_by_distance(real, synthetic, own, readings),
        *_confusion(real, synthetic, own, readings),
    ]
    if steps:
        figures += measure_transfer(real, synthetic, own, readings, steps=steps, seed=seed)
    num = len(find_labelled(real))
    return [
        one
        if one.refused or num >= MIN_TILES
        else refuse(one, num, MIN_TILES, "labelled real tiles")
        for one in figures
    ]


def _agreement(
    real: AuditSet, synthetic: AuditSet, own: Pixels, readings: Sequence[Pixels], *, seed: int
) -> Figure:
    figure = Figure(
        part="asked",
        name="agreement",
        text="mask agreement: mean recall of the labels that cover 5 % of a tile or more",
    )
    values = _mean([primary_measure(synthetic.masks, read) for read in readings])
    figure = _measure(figure, values, synthetic.patients, primary_measure(real.masks, own))
    if figure.refused:
        return figure
    rng, shuffled = numpy_generator(seed, "shuffled masks"), []
    for _ in range(SHUFFLES):
        other = synthetic.masks[rng.permutation(len(synthetic))]
        shuffled += [mean_of(primary_measure(other, read)) for read in readings]
    return replace(figure, chance=float(np.mean(shuffled)))


def _by_label(
    real: AuditSet, synthetic: AuditSet, own: Pixels, readings: Sequence[Pixels]
) -> list[Figure]:
    found = _mean([recalls(synthetic.masks, read) for read in readings])
    best = recalls(real.masks, own)
    told = {
        f"recall.{label.name}": f"recall of {NAMES[label]} in the tiles that ask for it"
        for label in Label
    }
    return _by_column(told, found, synthetic.patients, best)


def _by_column(
    told: Mapping[str, str], found: Array, owners: npt.NDArray[np.str_], best: Array
) -> list[Figure]:
    """A figure a column, of names and texts in the columns' order."""
    return [
        _measure(
            Figure(part="asked", name=name, text=text), found[:, place], owners, best[:, place]
        )
        for place, (name, text) in enumerate(told.items())
    ]


def _measure(
    figure: Figure, values: Array, owners: npt.NDArray[np.str_], best: Array, of: str = "tiles"
) -> Figure:
    """A mean over those that have a value, with that of real tiles as ceiling; refused of few."""
    num = int(np.isfinite(values).sum())
    if num < MIN_TILES:
        return refuse(figure, num, MIN_TILES, of)
    return replace(_interval(figure, values, owners), ceiling=mean_of(best))


def _by_size(
    real: AuditSet, synthetic: AuditSet, own: Pixels, readings: Sequence[Pixels]
) -> list[Figure]:
    """Recall of single regions by how much of the tile they cover."""
    sizes, values, owners = _regions(synthetic.masks, readings, synthetic.patients)
    best_sizes, best, _ = _regions(real.masks, [own], real.patients)
    figures = []
    for name, low, high in SIZES:
        text = f"recall of regions that cover {name} of the tile"
        figure = Figure(part="asked", name=f"size.{name}", text=text)
        chosen = (sizes >= low) & (sizes < high)
        like = (best_sizes >= low) & (best_sizes < high)
        found = values[chosen], owners[chosen], best[like]
        figures.append(_measure(figure, *found, of="regions"))
    return figures


def _regions(
    masks: Pixels, readings: Sequence[Pixels], owners: npt.NDArray[np.str_]
) -> tuple[Array, Array, npt.NDArray[np.str_]]:
    """Size (of the tile) and recall of every region, and its tile's owner."""
    sizes, values, of = [], [], []
    for number, mask in enumerate(masks):
        right = np.mean([read[number] == mask for read in readings], axis=0)
        for label in np.unique(mask[mask < NUM_LABELS]):
            numbered, num = ndimage.label(mask == label)
            counts = np.bincount(numbered.ravel(), minlength=num + 1)[1:]
            hits = np.bincount(numbered.ravel(), right.ravel(), num + 1)[1:]
            kept = counts >= 4
            sizes += (counts[kept] / mask.size).tolist()
            values += (hits[kept] / counts[kept]).tolist()
            of += [owners[number]] * int(kept.sum())
    return np.array(sizes), np.array(values), np.array(of)


def _by_distance(
    real: AuditSet, synthetic: AuditSet, own: Pixels, readings: Sequence[Pixels]
) -> list[Figure]:
    """Pixel accuracy beyond a distance from every border, in tiles with a border."""
    scale = synthetic.tile_px / synthetic.images.shape[1]
    found = _mean([_beyond(synthetic.masks, read, scale) for read in readings])
    best = _beyond(real.masks, own, scale)
    told = {
        f"boundary.{tolerance}": f"pixel accuracy farther than {tolerance} px from a border"
        for tolerance in TOLERANCES
    }
    return _by_column(told, found, synthetic.patients, best)


def _beyond(masks: Pixels, read: Pixels, scale: float) -> Array:
    """Accuracy beyond each tolerance, [N, T]; NaN where no pixel lies so far from a border."""
    result = np.full((len(masks), len(TOLERANCES)), np.nan)
    for number, (mask, labels) in enumerate(zip(masks, read, strict=True)):
        known, inner = mask < NUM_LABELS, np.ones(mask.shape, bool)
        down, across = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
        inner[1:] &= ~down
        inner[:-1] &= ~down
        inner[:, 1:] &= ~across
        inner[:, :-1] &= ~across
        if inner.all():
            continue
        distance = scale * ndimage.distance_transform_edt(inner)
        for place, tolerance in enumerate(TOLERANCES):
            counted = known & ((distance > tolerance) | (tolerance == 0))
            if counted.any():
                result[number, place] = (labels == mask)[counted].mean()
    return result


def _confusion(
    real: AuditSet, synthetic: AuditSet, own: Pixels, readings: Sequence[Pixels]
) -> list[Figure]:
    """Fraction of each label's pixels that are read as each label."""
    found = np.mean([_matrix(synthetic.masks, read) for read in readings], axis=0)
    best = _matrix(real.masks, own)
    figures = [
        Figure(
            part="asked",
            name=f"confusion.{asked.name}>{read.name}",
            text=f"{NAMES[asked]} read as {NAMES[read]}",
            value=float(found[asked, read]),
            ceiling=float(best[asked, read]),
            tiles=int((synthetic.facts.fractions[:, asked] > 0).sum()),
        )
        for asked in Label
        for read in Label
        if np.isfinite(found[asked, read])
    ]
    return [one if one.tiles >= MIN_TILES else refuse(one, one.tiles, MIN_TILES) for one in figures]


def _matrix(masks: Pixels, read: Pixels) -> Array:
    known = masks < NUM_LABELS
    cells = NUM_LABELS * masks[known].astype(np.int64) + read[known]
    counts = np.bincount(cells, minlength=NUM_LABELS**2).reshape(NUM_LABELS, NUM_LABELS)
    result = np.full(counts.shape, np.nan)
    total = counts.sum(axis=1, keepdims=True)
    np.divide(counts, total, out=result, where=total > 0)
    return result


def _interval(figure: Figure, values: Array, owners: npt.NDArray[np.str_]) -> Figure:
    kept = np.isfinite(values)
    held = values[kept]
    statistic, num = ratio_of(held, np.ones_like(held), owners[kept])
    return replace(with_interval(figure, statistic, num), tiles=len(held))


def _mean(parts: Sequence[Array]) -> Array:
    result: Array = np.mean(parts, axis=0)
    return result
