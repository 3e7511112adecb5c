"""The annotator: a person who outlines regions by hand, inexactly and incompletely.

What is wrong with the masks at noise 1, fixed before any model was trained on them:

- outlines are displaced by a smooth field with a spread of 22 um in y and in x;
- the pen is coarse: what is narrower than some 40 um is swallowed by its neighbours;
- glass within some 25 um of tissue is swallowed by the region beside it;
- parts of grades, one tenth of their area, are left out: seven in ten of these are Non-Cancer
  in the mask, the others the slide's other grade.

All of it grows with `Phantom.annotation_noise`.
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
    """How much of each label the annotator sees: [4, rows, columns] on a grid of 8 um."""

    shares: Values

    def at(self, points: Points) -> Labels:
        """The annotator's label [N] at points [N, 2]."""
        places = points.T / _STEP_UM - 0.5
        seen = [ndimage.map_coordinates(s, places, order=1, mode="nearest") for s in self.shares]
        return np.argmax(seen, axis=0).astype(np.uint8)


def annotate(rng: np.random.Generator, anatomy: Anatomy, noise: float) -> Annotation:
    """Outline a slide's regions by hand; `noise` scales every error (1: as committed)."""
    shape = grid_shape(anatomy.size_um, _STEP_UM)
    points = grid_points(shape, _STEP_UM)
    fields = [draw_field(rng, anatomy.size_um, DISPLACEMENT_REACH_UM) for _ in range(3)]
    drift = np.stack([field.at(points) for field in fields[:2]], axis=1)
    label = anatomy.label(points + noise * DISPLACEMENT_UM * drift)
    label = _leave_out(rng, anatomy, points, label, noise)
    edge = -noise * GLASS_UM * (0.5 + fields[2].at(points)).clip(0)
    label[anatomy.core.depth(points) < edge] = Label.NC
    one_hot = (label == np.arange(NUM_LABELS)[:, None]).reshape(NUM_LABELS, *shape).astype(float)
    blur = noise * PEN_UM / _STEP_UM
    return Annotation(ndimage.gaussian_filter(one_hot, (0, blur, blur)))


def _leave_out(
    rng: np.random.Generator, anatomy: Anatomy, points: Points, label: Labels, noise: float
) -> Labels:
    """Labels [N] with parts of the grades taken for something else."""
    size = anatomy.size_um
    missed = draw_field(rng, size, MISSED_REACH_UM).at(points)
    missed += MISSED_AT_BORDERS * _mixture(label, grid_shape(size, _STEP_UM))
    taken_for = draw_field(rng, size, 2 * MISSED_REACH_UM).at(points)
    grades = label != Label.NC
    if not grades.any():
        return label
    missed_share = min(noise * MISSED, 0.9)
    missed_here = grades & (missed > np.quantile(missed[grades], 1 - missed_share))
    as_grade = taken_for > np.quantile(taken_for[grades], MISSED_AS_NC)
    present = [value for value in np.unique(label) if value != Label.NC]
    other = {value: present[i - 1] for i, value in enumerate(present)}
    swapped = np.array([other.get(value, value) for value in range(NUM_LABELS)], np.uint8)[label]
    label = np.where(missed_here, np.where(as_grade, swapped, Label.NC), label)
    return label.astype(np.uint8)


def _mixture(label: Labels, shape: tuple[int, int]) -> Values:
    """Share [N] of other labels around each place of the grid."""
    one_hot = (label == np.arange(NUM_LABELS)[:, None]).reshape(NUM_LABELS, *shape).astype(float)
    blur = BORDER_UM / _STEP_UM
    around = ndimage.gaussian_filter(one_hot, (0, blur, blur), mode="nearest")
    mixture: Values = 1 - around.max(axis=0).ravel()
    return mixture
