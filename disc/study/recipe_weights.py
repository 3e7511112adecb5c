"""What random label weights are for: do a slide's masks show the grades that were asked for?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from disc.labels import GRADES, Label
from disc.masks.recipes import PAPER_WEIGHTS, TileRecipe, Weights, draw_recipe, label_weights
from disc.sample.synthesis import ShapeBook
from disc.seeds import numpy_generator

FIXED: Weights = (1 / 3, 1 / 3, 0.0, 1 / 3)
"""The paper's ablation, without random weights: primary, secondary, tertiary, Non-Cancer."""
TILES = (20, 100)
"""Of a slide, as in the paper."""


def compare_weights(
    book: ShapeBook, *, slides: int = 100, tiles: tuple[int, int] = TILES, seed: int = 0
) -> pd.DataFrame:
    """Share of slides whose grades, read back from all their masks, are those asked for.

    No tile is generated: labels are assigned to shapes, and pixels counted. The primary grade is
    the grade with most pixels, the secondary that with second most; of a score of two equal
    grades only the primary is compared, and a benign slide must show no grade.

    Args:
        book: shape maps to draw from.
        slides: of each primary grade; secondary grades in turn.
        tiles: minimum and maximum of a slide.
        seed: of the draws.

    Returns:
        weights ("random", "fixed"), primary, right, slides, share.

    Paper: supplement (96.75 % against 67.75 %).
    """
    sizes = [np.sort(_sizes(shape))[::-1] for shape in book.shapes]
    rows = []
    for name, weights in (("random", PAPER_WEIGHTS), ("fixed", FIXED)):
        for primary in GRADES.values():
            right = 0
            for number in range(slides):
                score = primary, _secondary(primary, number)
                rng = numpy_generator(seed, "recipe weights", *score, number)
                chances = label_weights(*score, weights)
                drawn = draw_recipe(book.regions, chances, tiles=tiles, rng=rng)
                right += _is_right(drawn, sizes, score)
            facts = {"weights": name, "primary": primary, "right": right, "slides": slides}
            rows.append({**facts, "share": right / slides})
    return pd.DataFrame(rows)


def _is_right(
    drawn: Sequence[TileRecipe], sizes: Sequence[np.ndarray], score: tuple[int, int]
) -> bool:
    """Whether the pixels of a slide's masks show its score; `sizes`: regions of each shape."""
    pixels = np.zeros(len(Label))
    for tile in drawn:
        for label, size in zip(tile.labels, sizes[tile.shape], strict=True):
            pixels[label] += size
    grades = pixels[1:]
    if score[0] == 0:
        return not grades.any()
    found = [GRADES[Label(int(place) + 1)] for place in np.argsort(-grades, kind="stable")]
    return found[0] == score[0] and (score[0] == score[1] or found[1] == score[1])


def _secondary(primary: int, number: int) -> int:
    return 0 if primary == 0 else (3, 4, 5)[number % 3]


def _sizes(shape: np.ndarray) -> np.ndarray:
    counts = np.bincount(shape[shape < len(Label)].ravel(), minlength=1)
    return counts[counts > 0]
