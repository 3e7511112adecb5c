"""What is learnt of the one set and tried on the other: segmenters, by Dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from disc.audit.asked.segmenter import Segmenters, train_segmenter
from disc.audit.figures import Figure, refuse, with_interval
from disc.audit.sets import AuditSet
from disc.evaluate.referee import read_tiles
from disc.labels import NUM_LABELS, Label

MIN_TILES = 30
"""Tiles without which nothing is told."""
Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]


def measure_transfer(
    real: AuditSet,
    synthetic: AuditSet,
    segmenters: Segmenters,
    readings: Sequence[Pixels],
    *,
    steps: int,
    seed: int,
) -> list[Figure]:
    """Train on the one, test on the other: mean Dice over the labels.

    Patients whom the generator saw flatter one that copies; of others, enough tiles are preferred.

    Args:
        real: with masks.
        synthetic: with masks.
        segmenters: trained on the halves of the real patients.
        readings: what each of them reads in the synthetic tiles.
        steps: of the training on synthetic tiles.
        seed: of that training.
    """
    others = synthetic.find_unseen(real)
    has_others = len(others) >= MIN_TILES
    whose = "of patients that the generator did not see" if has_others else "of all patients"
    there = Figure(
        part="asked",
        name="train-synthetic",
        text=f"trained on synthetic, tested on real tiles {whose}: mean Dice",
    )
    back = Figure(
        part="asked",
        name="train-real",
        text="trained on real, tested on synthetic tiles: mean Dice",
    )
    if len(synthetic) < MIN_TILES:
        return [refuse(one, len(synthetic), MIN_TILES) for one in (there, back)]
    net = train_segmenter(synthetic, steps=steps, seed=seed)
    own = segmenters.read_real(real)
    chosen = others if has_others else np.arange(len(real))
    held, best = real.take(chosen), float(np.nanmean(_dice(real.masks[chosen], own[chosen])))
    there = _dice_interval(there, held, [read_tiles(net, held.images)])
    back = _dice_interval(back, synthetic, readings)
    best_of_all = float(np.nanmean(_dice(real.masks, own)))
    return [replace(there, ceiling=best), replace(back, ceiling=best_of_all)]


def _dice_interval(figure: Figure, tiles: AuditSet, readings: Sequence[Pixels]) -> Figure:
    """Mean over labels of 2 TP / (asked + read), pixels summed over resampled patients."""
    names, codes = np.unique(tiles.patients, return_inverse=True)
    both, total = np.zeros((len(names), NUM_LABELS)), np.zeros((len(names), NUM_LABELS))
    for read in readings:
        hit, size = _overlap(tiles.masks, read)
        np.add.at(both, codes, hit)
        np.add.at(total, codes, size)

    def statistic(weights: Array) -> Array:
        above, below = 2 * weights @ both, weights @ total
        dice = np.full(above.shape, np.nan)
        np.divide(above, below, out=dice, where=below > 0)
        mean: Array = np.nanmean(dice, axis=1, keepdims=True)
        return mean

    return replace(with_interval(figure, statistic, len(names)), tiles=len(tiles))


def _overlap(masks: Pixels, read: Pixels) -> tuple[Array, Array]:
    """Pixels of each label in both, and in the one plus in the other, [N, 4]; 255 do not count."""
    known = masks < NUM_LABELS
    hit, size = (np.zeros((len(masks), NUM_LABELS)) for _ in range(2))
    for label in Label:
        asked, seen = masks == label, (read == label) & known
        hit[:, label] = (asked & seen).sum(axis=(1, 2))
        size[:, label] = asked.sum(axis=(1, 2)) + seen.sum(axis=(1, 2))
    return hit, size


def _dice(masks: Pixels, read: Pixels) -> Array:
    hit, size = (part.sum(axis=0) for part in _overlap(masks, read))
    result = np.full(NUM_LABELS, np.nan)
    np.divide(2 * hit, size, out=result, where=size > 0)
    return result
