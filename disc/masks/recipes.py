"""Recipes: the masks of a synthetic slide of a given primary and secondary grade."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.labels import NUM_LABELS, Label, check_score, label_of_grade

Weights = tuple[float, float, float, float]
PAPER_WEIGHTS: Weights = (0.40, 0.25, 0.05, 0.30)
"""Primary, secondary, tertiary, Non-Cancer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TileRecipe:
    """One mask to generate a tile from: a shape map, and the label of each of its ranks."""

    shape: int
    labels: tuple[int, ...]


def label_weights(
    primary: int,
    secondary: int,
    weights: Weights = PAPER_WEIGHTS,
    *,
    known: Collection[int] = tuple(Label),
) -> npt.NDArray[np.float64]:
    """Probability of each label [4] in a slide of this score.

    The tertiary weight is shared by the grades outside the score. Where primary and secondary are
    equal, their weights add up. A benign slide is Non-Cancer only. Labels that are not `known`
    (absent from the training tiles) get none, and the rest is scaled up.

    Raises:
        ValueError: if the score is none, or a grade of it is not known.

    Paper: Sec. 2.2, supplement (random weights).
    """
    check_score(primary, secondary)
    if primary == 0:
        return np.array([1.0, 0.0, 0.0, 0.0])
    labels = (label_of_grade(primary), label_of_grade(secondary))
    if missing := [label.name for label in labels if label not in known]:
        raise ValueError(f"score {primary}+{secondary}: {missing[0]} is absent from training tiles")
    result = np.zeros(NUM_LABELS)
    result[Label.NC] = weights[3]
    for label, weight in zip(labels, weights[:2], strict=True):
        result[label] += weight
    others = [label for label in Label if label != Label.NC and label not in labels]
    for label in others:
        result[label] = weights[2] / len(others)
    result[[label for label in Label if label not in known]] = 0
    result /= result.sum()
    return result


def draw_labels(
    num: int, weights: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw `num` distinct labels by weight; the first goes to the region with most pixels."""
    return tuple(int(i) for i in rng.choice(len(weights), size=num, replace=False, p=weights))


def draw_tile(
    regions: Sequence[int], weights: npt.NDArray[np.float64], rng: np.random.Generator
) -> TileRecipe:
    """Draw a shape and its labels; a shape with more regions than labels is drawn again.

    Args:
        regions: number of regions of each shape map to choose from.
        weights: probability of each label [4].
        rng: source of randomness.

    Raises:
        ValueError: if no shape has few enough regions.
    """
    possible = int(np.count_nonzero(weights))
    if min(regions) > possible:
        raise ValueError(f"every shape map has more than the {possible} labels that may be drawn")
    while True:
        shape = int(rng.integers(len(regions)))
        if regions[shape] <= possible:
            return TileRecipe(shape=shape, labels=draw_labels(regions[shape], weights, rng))


def draw_recipe(
    regions: Sequence[int],
    weights: npt.NDArray[np.float64],
    *,
    tiles: tuple[int, int],
    rng: np.random.Generator,
) -> list[TileRecipe]:
    """The masks of one synthetic slide: between `tiles[0]` and `tiles[1]` of them.

    Paper: Sec. 2.2 (20-100 masks a slide).
    """
    num = int(rng.integers(tiles[0], tiles[1] + 1))
    return [draw_tile(regions, weights, rng) for _ in range(num)]


def fill_counts(real: Sequence[int], target: int | None) -> tuple[int, ...]:
    """Synthetic slides to add of each primary grade, so that each has `target` (None: the max).

    Paper: Sec. 3 (276 sets fill SICAPv2's training slides to 100 of each grade).
    """
    goal = max(real) if target is None else target
    return tuple(max(0, goal - have) for have in real)
