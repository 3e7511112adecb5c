"""Nuclei: ellipses where they resolve, and by the same drawing a texture where they do not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.labels import Label
from disc.phantom.fields import Points, Values, draw_field, scatter
from disc.phantom.tissue import Anatomy, Composition

CELL_UM = 8.0
"""Distance between nuclei where they are densest."""


@dataclass(frozen=True)
class Nuclei:
    """All nuclei of a slide. Arrays are [M]; lengths in micrometres.

    Attributes:
        centre: [M, 2], y and x.
        axes: [M, 2], half length and half width.
        angle: direction of the length, in radians.
        darkness: haematoxylin, about 1.
    """

    centre: Points
    axes: Points
    angle: Values
    darkness: Values


def draw_nuclei(rng: np.random.Generator, anatomy: Anatomy) -> Nuclei:
    """Scatter nuclei: in a row along the base of glands, all over sheets, few in stroma."""
    centre = scatter(rng, anatomy.size_um, CELL_UM)
    here = anatomy.composition(centre)
    # Density varies from slide to slide and from place to place, so that it tells no grade.
    crowd = rng.uniform(0.65, 1.2) * np.exp(
        0.28 * draw_field(rng, anatomy.size_um, 350.0).at(centre)
    )
    inflamed = draw_field(rng, anatomy.size_um, 140.0).at(centre) > rng.uniform(0.9, 2.6)
    kept = rng.random(len(centre)) < _chance(here, inflamed) * crowd
    is_fibrous = ((here.epithelium < 0.5) & ~inflamed)[kept]
    number = len(is_fibrous)
    half = rng.normal(rng.uniform(3.2, 3.9), 0.35, number).clip(2.4, 5.2)
    along_fibres = anatomy.direction + rng.normal(0, 0.25, number)
    return Nuclei(
        centre=centre[kept],
        axes=half[:, None] * np.where(is_fibrous[:, None], (1.8, 0.45), (1.1, 0.9)),
        angle=np.where(is_fibrous, along_fibres, rng.uniform(0, np.pi, number)),
        darkness=rng.uniform(0.75, 1.2, number),
    )


def _chance(here: Composition, inflamed: npt.NDArray[np.bool_]) -> Values:
    """How likely a nucleus is at each place, [N]."""
    basal = np.exp(-(((here.depth - 6.5) / 4.5) ** 2))
    is_lined = (here.label == Label.NC) | (here.label == Label.GG3)
    cells = np.where(is_lined, 0.16 + 0.84 * basal, 0.46)
    stroma = np.where(inflamed, 0.5, 0.13)
    chance = here.epithelium * cells + (1 - here.epithelium) * stroma
    return chance * (1 - here.lumen) * here.tissue


def draw_nuclei_pixels(nuclei: Nuclei, shape: tuple[int, int], um_per_px: float) -> Values:
    """Haematoxylin of the nuclei on a pixel grid, [H, W]."""
    canvas = np.zeros(shape)
    reach = int(np.ceil(nuclei.axes.max(initial=1.0) / um_per_px)) + 1
    nearest = np.floor(nuclei.centre / um_per_px).astype(int)
    # All nuclei at once, one pixel of their surroundings after the other.
    for step in itertools.product(range(-reach, reach + 1), repeat=2):
        pixel = nearest + step
        fraction = _cover(nuclei, (pixel + 0.5) * um_per_px, um_per_px)
        drawn = (fraction > 0) & (pixel >= 0).all(axis=1) & (pixel < shape).all(axis=1)
        y, x = pixel[drawn].T
        np.maximum.at(canvas, (y, x), (fraction * nuclei.darkness)[drawn])
    return canvas


def _cover(nuclei: Nuclei, points: Points, edge_um: float) -> Values:
    """Fraction of a pixel at points [M, 2] that is inside of the nucleus of the same index."""
    y, x = (points - nuclei.centre).T
    cos, sin = np.cos(nuclei.angle), np.sin(nuclei.angle)
    radius = np.hypot(
        (x * cos + y * sin) / nuclei.axes[:, 0], (y * cos - x * sin) / nuclei.axes[:, 1]
    )
    depth = (1 - radius) * np.sqrt(nuclei.axes.prod(axis=1))
    fraction: Values = np.clip(depth / edge_um + 0.5, 0, 1)
    return fraction
