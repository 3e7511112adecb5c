"""The annotator: a person who outlines regions by hand, inexactly and incompletely.

What is wrong with the masks at noise 1, fixed before any model was trained on them:

- outlines are displaced by a smooth field, standard deviation 32 µm in y and in x;
- the pen is coarse: what is narrower than some 30 µm is merged into its neighbours;
- glass within some 25 µm of tissue is merged into the region beside it;
- 16 % of the area of the grades, most of it where regions meet, is omitted: seven tenths of this
  are Non-Cancer in the mask, the rest is given to the slide's other grade, where it has one.

All of it grows with `Phantom.annotation_noise`. At noise 1, in the 11,669 tiles of the default
training set (256 µm wide), the masks' pixel accuracy is .909: .849 where the exact mask is
multi-class, .984 where it is single-class (docs/phantom.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from disc.labels import NUM_LABELS, Label
from disc.phantom.core import Labels
from disc.phantom.fields import Points, Values, draw_field, grid_points, grid_shape
from disc.phantom.tissue import Anatomy

DISPLACEMENT_UM = 32.0
DISPLACEMENT_REACH_UM = 110.0
PEN_UM = 16.0
GLASS_UM = 25.0
MISSED = 0.16
MISSED_AS_NC = 0.7
MISSED_REACH_UM = 110.0
MISSED_AT_BORDERS = 8.0
BORDER_UM = 60.0
_STEP_UM = 8.0


@dataclass(frozen=True)
class Annotation:
    """Fraction of each label that the annotator sees: [4, rows, columns] on a grid of 8 µm."""

    fractions: Values

    def at(self, points: Points) -> Labels:
        """The annotator's label [N] at points [N, 2]."""
        places = points.T / _STEP_UM - 0.5
        seen = [ndimage.map_coordinates(f, places, order=1, mode="nearest") for f in self.fractions]
        label: Labels = np.argmax(seen, axis=0).astype(np.uint8)
        return label


def annotate(rng: np.random.Generator, anatomy: Anatomy, noise: float) -> Annotation:
    """Outline a slide's regions by hand; `noise` scales every error (1: as committed)."""
    shape = grid_shape(anatomy.size_um, _STEP_UM)
    points = grid_points(shape, _STEP_UM)
    drift = _draw(rng, anatomy, points, DISPLACEMENT_REACH_UM, 3)
    label = anatomy.label(points + noise * DISPLACEMENT_UM * drift[:, :2])
    if (label != Label.NC).any():
        label = _leave_out(rng, anatomy, points, label, noise)
    merged_um = noise * GLASS_UM * (0.5 + drift[:, 2]).clip(0)
    label[anatomy.core.depth(points) < -merged_um] = Label.NC
    return Annotation(_soften(label, shape, noise * PEN_UM))


def _leave_out(
    rng: np.random.Generator, anatomy: Anatomy, points: Points, label: Labels, noise: float
) -> Labels:
    """Labels [N] with parts of the grades taken for Non-Cancer or for another grade."""
    around = _soften(label, grid_shape(anatomy.size_um, _STEP_UM), BORDER_UM)
    oversight, mistake = _draw(rng, anatomy, points, MISSED_REACH_UM, 2).T
    oversight += MISSED_AT_BORDERS * (1 - around.max(axis=0).ravel())
    is_grade = label != Label.NC
    is_missed = is_grade & (
        oversight > np.quantile(oversight[is_grade], 1 - min(1, noise * MISSED))
    )
    is_mistaken = mistake > np.quantile(mistake[is_grade], MISSED_AS_NC)
    grades = np.unique(label[is_grade])
    other = np.arange(NUM_LABELS, dtype=np.uint8)
    other[grades] = np.roll(grades, 1)
    return np.where(is_missed, np.where(is_mistaken, other[label], 0), label).astype(np.uint8)


def _draw(
    rng: np.random.Generator, anatomy: Anatomy, points: Points, reach_um: float, number: int
) -> Values:
    """Values [N, number] of so many smooth fields."""
    fields = [draw_field(rng, anatomy.size_um, reach_um) for _ in range(number)]
    return np.stack([field.at(points) for field in fields], axis=1)


def _soften(label: Labels, shape: tuple[int, int], sigma_um: float) -> Values:
    """Fraction [4, rows, columns] of each label around each place of the grid."""
    one_hot = label == np.arange(NUM_LABELS)[:, None]
    sigma = sigma_um / _STEP_UM
    fractions: Values = ndimage.gaussian_filter(
        one_hot.reshape(NUM_LABELS, *shape).astype(float), (0, sigma, sigma), mode="nearest"
    )
    return fractions
