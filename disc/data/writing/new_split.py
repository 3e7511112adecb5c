"""Dividing a new set: five groups, of which four are the folds' validation and one the test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.data.tiles.records import Slide
from disc.seeds import numpy_generator

NUM_GROUPS = 5
GAP = 0.5
"""Min distance between tiles of two bands, as a fraction of a tile's side."""


def name_partitions(groups: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """SICAPv2's workbooks for five groups (of slides or of tiles): four folds, then the test."""
    *folds, test = groups
    training = [name for fold in folds for name in fold]
    partitions = {"Test/Train": training, "Test/Test": list(test)}
    for number, fold in enumerate(folds, start=1):
        held_out = set(fold)
        kept = [name for name in training if name not in held_out]
        partitions[f"Validation/Val{number}/Train"] = kept
        partitions[f"Validation/Val{number}/Test"] = list(fold)
    return partitions


def find_labelled(slides: Sequence[Slide], labelled: Collection[str]) -> list[Slide]:
    """Slides that have a labelled tile, of which every part needs some; all, where none has one.

    Args:
        slides: of the set.
        labelled: ids of slides with labelled tiles.
    """
    return [slide for slide in slides if slide.slide_id in labelled] or list(slides)


def can_divide(slides: Sequence[Slide], labelled: Collection[str]) -> bool:
    """Whether every group gets a patient with labels; arguments as of `find_labelled`."""
    return len({slide.patient_id for slide in find_labelled(slides, labelled)}) >= NUM_GROUPS


def deal_patients(
    slides: Sequence[Slide], seed: int, labelled: Collection[str] = ()
) -> list[list[str]]:
    """Five groups of slide ids: patients stay whole, grades are balanced, order is random.

    Patients without a labelled tile are dealt last, so that no group is of them alone.

    Args:
        slides: of the set.
        seed: of the order.
        labelled: ids of slides with labelled tiles; none: they do not matter.
    """
    counted = {slide.patient_id for slide in find_labelled(slides, labelled)}
    patients: dict[str, list[Slide]] = {}
    for slide in sorted(slides, key=lambda slide: slide.slide_id):
        patients.setdefault(slide.patient_id, []).append(slide)
    rng = numpy_generator(seed, "folds")
    shuffled = rng.permutation(sorted(patients))
    by_grade = sorted(shuffled, key=lambda one: (one not in counted, _worst(patients[one])))
    groups_in_turn, groups = rng.permutation(NUM_GROUPS), [list[str]() for _ in range(NUM_GROUPS)]
    for number, patient in enumerate(by_grade):
        group = groups[groups_in_turn[number % NUM_GROUPS]]
        group += [slide.slide_id for slide in patients[patient]]
    return groups


def _worst(slides: Sequence[Slide]) -> int:
    return max(-1 if slide.primary is None else slide.primary for slide in slides)


def band_tiles(slides: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Five groups of tile names: bands across the longer axis of every slide, with gaps between.

    Args:
        slides: for each slide its `tiles` (name, x, y, is_mixed), their `side`, and its longer
            `axis`.
    """
    groups: list[list[str]] = [[] for _ in range(NUM_GROUPS)]
    for slide in slides:
        tiles = slide["tiles"]
        starts = np.array([tile[slide["axis"]] for tile in tiles], np.float64)
        is_mixed = np.array([tile["is_mixed"] for tile in tiles])
        for tile, band in zip(tiles, cut_bands(starts, slide["side"], is_mixed), strict=True):
            if band >= 0:
                groups[band].append(tile["name"])
    return groups


def cut_bands(
    starts: npt.NDArray[np.float64], side: float, is_mixed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Band 0..4 of each tile along a slide; -1 for tiles in the gaps between bands.

    Bands hold equal fractions of the multi-class tiles and of all tiles, as far as whole rows of
    tiles allow. Tiles of two bands are at least half a side apart.

    Args:
        starts: first pixel of each tile along the slide's longer axis [N].
        side: side of a tile, in the same pixels.
        is_mixed: whether a tile's mask is multi-class [N].
    """
    weights = 1 / len(starts) + is_mixed / max(1, is_mixed.sum())
    order = np.argsort(starts, kind="stable")
    fraction = np.cumsum(weights[order]) / weights.sum()
    places = np.searchsorted(fraction, np.arange(1, NUM_GROUPS) / NUM_GROUPS)
    # At this place in a tile, half overlap loses two rows of tiles at a cut; elsewhere, three.
    cuts = starts[order][places] + side * (1 - GAP / 2)
    margin = side * GAP / 2 - 1  # places are rounded to whole pixels
    first = np.searchsorted(cuts, starts - margin, side="right")
    last = np.searchsorted(cuts, starts + side + margin, side="left")
    return np.where(first == last, first, -1)
