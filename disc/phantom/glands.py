"""Glands: where they stand, how large they are, and whose territory a place is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from disc.labels import Label
from disc.phantom.core import Core, Labels
from disc.phantom.fields import Points, Values, scatter

WOBBLES = np.arange(2, 6)
"""Waves round an outline that make it less than a circle."""
_FILLER_UM = (26.0, 9.0)
"""Spacing and radius of the seeds that hold the ground between glands."""


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How the glands of one pattern grow; lengths in micrometres.

    Attributes:
        label: the pattern.
        spacing: distance of the places where a gland may start.
        radius: least and greatest radius.
        gap: ground kept free between two glands; < 0: they press into each other.
        wobble: how far outlines leave the circle, as a share of the radius.
        lining: thickness of the epithelium round the lumen; inf: no central lumen.
        folds: how much that thickness waves, as a share of it.
    """

    label: Label
    spacing: float
    radius: tuple[float, float]
    gap: float
    wobble: float
    lining: float
    folds: float


HABITS = (
    Habit(
        label=Label.NC,
        spacing=35.0,
        radius=(60.0, 125.0),
        gap=28.0,
        wobble=0.13,
        lining=27.0,
        folds=0.27,
    ),
    Habit(
        label=Label.GG4,
        spacing=30.0,
        radius=(50.0, 90.0),
        gap=-34.0,
        wobble=0.05,
        lining=np.inf,
        folds=0.0,
    ),
    Habit(
        label=Label.GG3,
        spacing=13.0,
        radius=(26.0, 42.0),
        gap=6.0,
        wobble=0.05,
        lining=12.5,
        folds=0.08,
    ),
)
"""Largest first. GG5 forms no glands: its cords and sheets are a field (`tissue.py`)."""


@dataclass(frozen=True)
class Glands:
    """Seeds: glands, and small fillers that hold the ground between them. All arrays are [S].

    Attributes:
        centre: [S, 2], y and x in micrometres.
        radius: in micrometres.
        label: pattern of the seed's territory.
        is_gland: False for fillers.
        lining: thickness of the epithelium, in micrometres; inf without a central lumen.
        folds: number of waves of the lining round the lumen, and how deep they are: [S, 2].
        wobble: [S, 4] amplitudes (share of the radius) and [S, 4] phases of the outline.
        secretion: how much eosin lies in the lumen, 0 to 1.
    """

    centre: Points
    radius: Values
    label: Labels
    is_gland: npt.NDArray[np.bool_]
    lining: Values
    folds: Values
    wobble: tuple[Values, Values]
    secretion: Values
    tree: cKDTree

    def owner(self, points: Points) -> npt.NDArray[np.int64]:
        """The seed [N] that holds each point [N, 2]: least distance^2 - radius^2.

        Borders of these territories run between glands. A power diagram is the nearest
        neighbour in three dimensions, when small seeds are lifted above the plane.
        """
        lifted = np.column_stack([points, np.zeros(len(points))])
        owner: npt.NDArray[np.int64] = self.tree.query(lifted)[1]
        return owner

    def outline(self, owner: npt.NDArray[np.int64], offset: Points) -> tuple[Values, Values]:
        """Depth inside the owner's outline and thickness of its lining there, both [N].

        Args:
            owner: seed of each point, [N].
            offset: the points as seen from their owner's centre, [N, 2].
        """
        angle = np.arctan2(offset[:, 0], offset[:, 1])
        amplitude, phase = (part[owner] for part in self.wobble)
        waves = (amplitude * (np.cos(angle[:, None] * WOBBLES + phase) - 1)).sum(axis=1)
        depth = self.radius[owner] * (1 + waves) - np.hypot(offset[:, 0], offset[:, 1])
        count, height = self.folds[owner].T
        folds = 1 + height * np.cos(angle * count + phase[:, 0])
        folds += 0.5 * height * np.cos(angle * (count + 3) + phase[:, 1])
        return np.where(self.is_gland[owner], depth, -np.inf), self.lining[owner] * folds


def draw_glands(rng: np.random.Generator, core: Core) -> Glands:
    """Fill a core with the glands of its regions' patterns, and the ground between them."""
    places, radii, habits = [np.empty((0, 2))], [np.empty(0)], [np.empty(0, int)]
    for number, habit in enumerate(HABITS):
        candidates = scatter(rng, core.size_um, habit.spacing)
        candidates = candidates[core.label(candidates) == habit.label]
        rng.shuffle(candidates)
        radius = -np.sort(-rng.uniform(*habit.radius, len(candidates)))
        taken = np.concatenate(places), np.concatenate(radii)
        kept = _pack(candidates, radius, habit.gap, taken)
        places.append(candidates[kept])
        radii.append(radius[kept])
        habits.append(np.full(len(kept), number))
    return _grow(rng, core, np.concatenate(places), np.concatenate(radii), np.concatenate(habits))


def _pack(places: Points, radii: Values, gap: float, taken: tuple[Points, Values]) -> list[int]:
    """Which discs can stand without overlap, first come first served."""
    centre = np.concatenate([taken[0], places])
    reach = np.concatenate([taken[1], radii])
    start = len(taken[0])
    standing = np.arange(len(centre)) < start
    kept = []
    for i in range(len(places)):
        others = standing.nonzero()[0]
        distance = np.hypot(*(centre[others] - places[i]).T)
        # A gap below 0 is for glands of one kind; others' ground is left free.
        need = reach[others] + radii[i] + np.where(others < start, max(gap, 8.0), gap)
        if (distance >= need).all():
            standing[start + i] = True
            kept.append(i)
    return kept


def _grow(
    rng: np.random.Generator, core: Core, centre: Points, radius: Values, habit: Labels
) -> Glands:
    ground, size = scatter(rng, core.size_um, _FILLER_UM[0]), _FILLER_UM[1]
    if len(centre):
        tree = cKDTree(np.column_stack([centre, _lift(radius, radius.max())]))
        nearest = tree.query(np.column_stack([ground, np.zeros(len(ground))]))[1]
        clear = np.hypot(*(ground - centre[nearest]).T) > radius[nearest] + size
        ground = ground[clear]
    label = np.array([h.label for h in HABITS], np.uint8)[habit]
    of = [HABITS[h] for h in habit] + [None] * len(ground)
    radius = np.concatenate([radius, np.full(len(ground), size)])
    centre = np.concatenate([centre, ground])
    seeds = len(centre)
    amplitude = rng.uniform(0, 1, (seeds, len(WOBBLES))) / np.sqrt(WOBBLES)
    return Glands(
        centre=centre,
        radius=radius,
        label=np.concatenate([label, core.label(ground)]),
        is_gland=np.array([h is not None for h in of]),
        lining=np.array([h.lining if h else np.inf for h in of]) * rng.uniform(0.85, 1.15, seeds),
        folds=np.column_stack(
            [rng.integers(5, 10, seeds), [h.folds if h else 0.0 for h in of]]
        ).astype(float),
        wobble=(
            amplitude * np.array([h.wobble if h else 0.0 for h in of])[:, None],
            rng.uniform(0, 2 * np.pi, (seeds, len(WOBBLES))),
        ),
        secretion=rng.beta(0.6, 1.4, seeds),
        tree=cKDTree(np.column_stack([centre, _lift(radius, radius.max())])),
    )


def _lift(radius: Values, largest: float) -> Values:
    return np.sqrt(largest**2 - radius**2)
