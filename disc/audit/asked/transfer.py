"""What is learnt of the one set and tried on the other: segmenters, by Dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from disc.audit.asked.learnt import MIN_JUDGED
from disc.audit.asked.segmenter import train_segmenter
from disc.audit.figures import Figure, mean_of, refuse, refuse_because, with_interval
from disc.audit.sets import AuditSet, find_labelled
from disc.evaluate.agreement import MIN_FRACTION, label_fractions
from disc.evaluate.referee import read_tiles
from disc.labels import NUM_LABELS, Label

MIN_TILES = 30
"""Tiles without which nothing is told."""
Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]


def measure_transfer(
    real: AuditSet,
    synthetic: AuditSet,
    own: Pixels,
    readings: Sequence[Pixels],
    *,
    steps: int,
    seed: int,
) -> list[Figure]:
    """Train on the one, test on the other: mean Dice over the labels of the tested tiles' masks.

    Patients whom the generator saw flatter one that copies; of others, enough tiles are preferred.

    Args:
        real: with masks.
        synthetic: with masks.
        own: what segmenters of other real patients read in the real tiles, [N, H, W].
        readings: what each of them reads in the synthetic tiles, [M, H, W].
        steps: of the training on synthetic tiles.
        seed: of that training.
    """
    known = find_labelled(real)
    others = np.intersect1d(synthetic.find_unseen(real), known)
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
    fewest = min(len(find_labelled(synthetic)), len(known))
    if fewest < MIN_TILES:
        what = "labelled tiles of one of the sets"
        return [refuse(one, fewest, MIN_TILES, what) for one in (there, back)]
    net = train_segmenter(synthetic, steps=steps, seed=seed)
    chosen = others if has_others else known
    held = real.take(chosen)
    return [
        _measure(there, held, [read_tiles(net, held.images)], (held.masks, own[chosen])),
        _measure(back, synthetic, readings, (real.masks, own)),
    ]


def _measure(
    figure: Figure, tiles: AuditSet, readings: Sequence[Pixels], best: tuple[Pixels, Pixels]
) -> Figure:
    """Mean Dice over the labels that enough of the masks hold; as ceiling, that of real tiles.

    A label that the masks lack has no Dice: a stray pixel that is read so would make it 0.
    """
    is_held = label_fractions(tiles.masks) >= MIN_FRACTION
    labels = np.flatnonzero(is_held.sum(axis=0) >= MIN_JUDGED)
    if not len(labels):
        said = f"no label covers {100 * MIN_FRACTION:.0f} % of {MIN_JUDGED} tiles or more"
        return refuse_because(figure, said)
    hits, sizes, asked = (part.sum(axis=0)[labels] for part in _overlap(*best))
    ceiling = mean_of(2 * hits[asked > 0] / sizes[asked > 0])
    return replace(_with_dice(figure, tiles, readings, labels), ceiling=ceiling)


def _with_dice(
    figure: Figure, tiles: AuditSet, readings: Sequence[Pixels], labels: npt.NDArray[np.int64]
) -> Figure:
    """Mean over labels of 2 TP / (asked + read), pixels summed over resampled patients."""
    names, codes = np.unique(tiles.patients, return_inverse=True)
    sums = np.zeros((3, len(names), len(labels)))
    for read in readings:
        for total, part in zip(sums, _overlap(tiles.masks, read), strict=True):
            np.add.at(total, codes, part[:, labels])

    def statistic(weights: Array) -> Array:
        hits, sizes, asked = weights @ sums
        dice = np.zeros(hits.shape)
        np.divide(2 * hits, sizes, out=dice, where=asked > 0)
        num = (asked > 0).sum(axis=1)
        mean = np.full(len(weights), np.nan)
        np.divide(dice.sum(axis=1), num, out=mean, where=num > 0)
        return mean[:, None]

    return replace(with_interval(figure, statistic, len(names)), tiles=len(tiles))


def _overlap(masks: Pixels, read: Pixels) -> tuple[Array, Array, Array]:
    """Pixels of each label in both, in the one plus in the other, and in the masks, [N, 4].

    Those of 255 do not count.
    """
    known = masks < NUM_LABELS
    hit, size, held = (np.zeros((len(masks), NUM_LABELS)) for _ in range(3))
    for label in Label:
        asked, seen = masks == label, (read == label) & known
        hit[:, label] = (asked & seen).sum(axis=(1, 2))
        held[:, label] = asked.sum(axis=(1, 2))
        size[:, label] = held[:, label] + seen.sum(axis=(1, 2))
    return hit, size, held
