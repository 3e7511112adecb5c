"""The needle core: its outline on the glass, and which grade holds which part of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.labels import NUM_LABELS, Label, label_of_grade
from disc.phantom.fields import Points, SmoothField, Values, draw_field, grid_points, grid_shape

MARGIN_UM = 40.0
"""Glass drawn around the core."""
REGION_UM = 430.0
"""About the width of a region of one grade."""

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Core:
    """A band of tissue with wavy edges, split among grades.

    Attributes:
        size_um: height and width of the drawing, glass included.
        waves: edge waves, coarse and fine.
        territories: one field per label; the highest, with its offset, holds the place.
        offsets: what each label's field is raised by, -inf where the label is absent.
    """

    size_um: tuple[float, float]
    waves: tuple[SmoothField, SmoothField]
    territories: tuple[SmoothField, ...]
    offsets: Values

    def depth(self, points: Points) -> Values:
        """How far inside the tissue's edge points [N, 2] lie, in micrometres; < 0 on glass."""
        half = np.asarray(self.size_um) / 2
        inside = (half - MARGIN_UM - np.abs(points - half)).min(axis=1)
        depth: Values = inside + 16 * self.waves[0].at(points) + 3 * self.waves[1].at(points)
        return depth

    def label(self, points: Points) -> Labels:
        """Label [N] of the region around points [N, 2], as if there were no glass."""
        scores = self._scores(points) + self.offsets[:, None]
        label: Labels = scores.argmax(axis=0).astype(np.uint8)
        return label

    def _scores(self, points: Points) -> Values:
        return np.stack([field.at(points) for field in self.territories])


def draw_core(
    rng: np.random.Generator, mean_um: tuple[float, float], score: tuple[int, int]
) -> Core:
    """A core of about `mean_um` (width, length) with regions of the score's grades.

    Benign cores (0+0) hold Non-Cancer only; the others hold it as well, in a smaller part.
    """
    size_um = (
        mean_um[0] * rng.uniform(0.85, 1.15) + 2 * MARGIN_UM,
        mean_um[1] * rng.uniform(0.80, 1.20) + 2 * MARGIN_UM,
    )
    waves = draw_field(rng, size_um, 220.0), draw_field(rng, size_um, 25.0)
    territories = tuple(draw_field(rng, size_um, REGION_UM) for _ in range(NUM_LABELS))
    core = Core(size_um, waves, territories, np.zeros(NUM_LABELS))
    points = grid_points(grid_shape(size_um, 40.0), 40.0)
    scores = core._scores(points[core.depth(points) > 0])
    offsets = _balance(scores, _draw_fractions(rng, score))
    return Core(size_um, waves, territories, offsets)


def _draw_fractions(rng: np.random.Generator, score: tuple[int, int]) -> Values:
    """Fraction [4] of the tissue that each label is to hold."""
    fractions = np.zeros(NUM_LABELS)
    primary, secondary = (label_of_grade(grade) for grade in score)
    if primary is Label.NC:
        fractions[Label.NC] = 1
        return fractions
    fractions[Label.NC] = rng.uniform(0.12, 0.35)
    cancer = 1 - fractions[Label.NC]
    fractions[secondary] += cancer * rng.uniform(0.20, 0.34)
    fractions[primary] += 1 - fractions.sum()
    return fractions


def _balance(scores: Values, fractions: Values) -> Values:
    """Offsets [4] under which the highest of the scores [4, N] gives each label its fraction."""
    held = fractions > 0
    offsets = np.where(held, 0.0, -np.inf)
    for _ in range(60):
        winners = (scores + offsets[:, None]).argmax(axis=0)
        found = np.bincount(winners, minlength=NUM_LABELS) / len(winners)
        offsets[held] += (fractions - found)[held]
    return offsets
