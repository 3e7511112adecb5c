"""Smooth random functions of a place on the slide, the same at every resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Points = npt.NDArray[np.float64]
Values = npt.NDArray[np.float64]

# A quadratic B-spline over white noise has this standard deviation on average (per axis .55).
_SPLINE_STD = 0.55


@dataclass(frozen=True)
class SmoothField:
    """A quadratic spline over random knots: mean 0, standard deviation about 1.

    Attributes:
        knots: coefficients, one every `spacing_um` in y and x.
        spacing_um: distance of the knots in y and x, in micrometres.
    """

    knots: Values
    spacing_um: tuple[float, float]

    def at(self, points: Points) -> Values:
        """Values at points [N, 2] (y, x in micrometres), [N]. Outside, the field is mirrored."""
        places = (points / np.asarray(self.spacing_um)).T + 1
        values: Values = ndimage.map_coordinates(
            self.knots, places, order=2, mode="mirror", prefilter=False
        )
        return values


def draw_field(
    rng: np.random.Generator, size_um: tuple[float, float], spacing_um: float | tuple[float, float]
) -> SmoothField:
    """A smooth field over a rectangle (height, width) that varies over about `spacing_um`."""
    steps = spacing_um if isinstance(spacing_um, tuple) else (spacing_um, spacing_um)
    shape = tuple(int(np.ceil(size / step)) + 3 for size, step in zip(size_um, steps, strict=True))
    return SmoothField(rng.standard_normal(shape) / _SPLINE_STD, steps)


def grid_shape(size_um: tuple[float, float], step_um: float) -> tuple[int, int]:
    """Rows and columns of square cells that cover a rectangle; at least one of each."""
    return max(1, round(size_um[0] / step_um)), max(1, round(size_um[1] / step_um))


def grid_points(shape: tuple[int, int], step_um: float) -> Points:
    """Centres [N, 2] of the square cells of a grid, row by row, in micrometres."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return (np.stack([y.ravel(), x.ravel()], axis=1) + 0.5) * step_um


def scatter(rng: np.random.Generator, size_um: tuple[float, float], spacing_um: float) -> Points:
    """Evenly spread random points [N, 2]: a grid, each point moved within its cell."""
    points = grid_points(grid_shape(size_um, spacing_um), spacing_um)
    return points + rng.uniform(-0.45, 0.45, points.shape) * spacing_um
