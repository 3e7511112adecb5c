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


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How the glands of one pattern grow; lengths in micrometres.

    Attributes:
        label: the pattern.
        spacing: distance of the places where a gland may start.
        radius: min and max radius.
        gap: ground kept free between two glands; < 0: they press into each other.
        wobble: how far outlines leave the circle, as a fraction of the radius.
        lining: thickness of the epithelium round the lumen; inf: no central lumen.
        folds: how much that thickness waves, as a fraction of it.
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
        radius=(24.0, 40.0),
        gap=6.0,
        wobble=0.05,
        lining=12.5,
        folds=0.08,
    ),
)
"""In the order in which they take their places. GG5 forms no glands: its cords and sheets are a
field (`tissue.py`)."""

GROUND_UM = (26.0, 9.0)
"""Spacing and radius of the seeds that hold the ground between glands for their region."""
_GROUND = len(HABITS)


@dataclass(frozen=True)
class Seeds:
    """Discs that tissue grows from: glands, and small ones on the ground between them.

    Attributes:
        centre: [S, 2], y and x in micrometres.
        radius: [S], in micrometres.
        habit: [S], index into `HABITS`; past its end for ground.
    """

    centre: Points
    radius: Values
    habit: npt.NDArray[np.int64]

    def tree(self) -> cKDTree:
        """Finds the seed of min distance^2 - radius^2 to a place (a power diagram).

        That is the nearest neighbour in three dimensions, with small seeds lifted off the plane.
        """
        # distance^2 + lift^2 = distance^2 - radius^2 + a constant; points [S, 3].
        # The square of a scalar may be rounded otherwise, below that of the same element of a row.
        squares = self.radius**2
        lift = np.sqrt(squares.max() - squares)
        return cKDTree(np.column_stack([self.centre, lift]))

    def and_more(self, centre: Points, radius: Values, habit: int) -> Seeds:
        """These seeds and more, all of one habit."""
        return Seeds(
            np.concatenate([self.centre, centre]),
            np.concatenate([self.radius, radius]),
            np.append(self.habit, np.full(len(radius), habit)),
        )


@dataclass(frozen=True)
class Glands:
    """Seeds with the form of their outlines and linings.

    Attributes:
        seeds: where and how large.
        label: [S], pattern of each seed's territory.
        lining: [S], thickness of the epithelium, in micrometres; inf without a central lumen.
        folds: [S, 2], number of waves of the lining round the lumen, and their height (fraction).
        wobble: [2, S, 4], amplitudes (fraction of the radius) and phases of the outline.
        secretion: [S], how much eosin lies in the lumen, 0 to 1.
    """

    seeds: Seeds
    label: Labels
    lining: Values
    folds: Values
    wobble: Values
    secretion: Values
    tree: cKDTree

    def owner(self, points: Points) -> npt.NDArray[np.int64]:
        """The seed [N] whose territory each point [N, 2] is; borders run between glands."""
        return _nearest(self.tree, points)

    def outline(self, owner: npt.NDArray[np.int64], points: Points) -> tuple[Values, Values]:
        """Depth inside the owner's outline and thickness of its lining there, both [N].

        The depth is -inf where the owner is ground.
        """
        y, x = (points - self.seeds.centre[owner]).T
        angle = np.arctan2(y, x)
        amplitude, phase = self.wobble[:, owner]
        waves = (amplitude * (np.cos(angle[:, None] * WOBBLES + phase) - 1)).sum(axis=1)
        depth = self.seeds.radius[owner] * (1 + waves) - np.hypot(y, x)
        count, height = self.folds[owner].T
        folds = np.cos(angle * count + phase[:, 0]) + 0.5 * np.cos(
            angle * (count + 3) + phase[:, 1]
        )
        is_gland = self.seeds.habit[owner] != _GROUND
        return np.where(is_gland, depth, -np.inf), self.lining[owner] * (1 + height * folds)


def draw_glands(rng: np.random.Generator, core: Core) -> Glands:
    """Fill a core with the glands of its regions' patterns, and the ground between them."""
    seeds = Seeds(np.empty((0, 2)), np.empty(0), np.empty(0, np.int64))
    for number, habit in enumerate(HABITS):
        places = scatter(rng, core.size_um, habit.spacing)
        places = rng.permutation(places[core.label(places) == habit.label])
        radius = -np.sort(-rng.uniform(*habit.radius, len(places)))
        free = _find_room(seeds, places, radius, habit.gap)
        seeds = seeds.and_more(places[free], radius[free], number)
    seeds = _cover_ground(rng, core, seeds)
    return _shape(rng, seeds, core.label(seeds.centre))


def _find_room(standing: Seeds, places: Points, radius: Values, gap: float) -> list[int]:
    """Which of new discs can stand, first come first served, `gap` apart.

    Only glands of one habit may press into each other (gap < 0).
    """
    first = len(standing.radius)
    centre = np.concatenate([standing.centre, places])
    reach = np.concatenate([standing.radius + max(gap, 8.0), radius + gap])
    taken = list(range(first))
    for i, (place, size) in enumerate(zip(places, radius, strict=True)):
        distance = np.hypot(*(centre[taken] - place).T)
        if (distance >= reach[taken] + size).all():
            taken.append(first + i)
    return [i - first for i in taken[first:]]


def _cover_ground(rng: np.random.Generator, core: Core, glands: Seeds) -> Seeds:
    """Glands and small seeds everywhere between them."""
    spacing, size = GROUND_UM
    ground = scatter(rng, core.size_um, spacing)
    if len(glands.radius):
        nearest = _nearest(glands.tree(), ground)
        distance = np.hypot(*(ground - glands.centre[nearest]).T)
        ground = ground[distance > glands.radius[nearest] + size]
    return glands.and_more(ground, np.full(len(ground), size), _GROUND)


def _shape(rng: np.random.Generator, seeds: Seeds, label: Labels) -> Glands:
    """Give every seed an outline and a lining of its habit."""
    number = len(label)
    wobble, lining, folds = (
        np.array([*(getattr(habit, name) for habit in HABITS), ground])[seeds.habit]
        for name, ground in (("wobble", 0.0), ("lining", np.inf), ("folds", 0.0))
    )
    amplitude = rng.uniform(0, 1, (number, len(WOBBLES))) / np.sqrt(WOBBLES) * wobble[:, None]
    phase = rng.uniform(0, 2 * np.pi, amplitude.shape)
    return Glands(
        seeds=seeds,
        label=label,
        lining=lining * rng.uniform(0.85, 1.15, number),
        folds=np.column_stack([rng.integers(5, 10, number), folds]),
        wobble=np.stack([amplitude, phase]),
        secretion=rng.beta(0.6, 1.4, number),
        tree=seeds.tree(),
    )


def _nearest(tree: cKDTree, points: Points) -> npt.NDArray[np.int64]:
    lifted = np.column_stack([points, np.zeros(len(points))])
    nearest: npt.NDArray[np.int64] = tree.query(lifted)[1]
    return nearest
