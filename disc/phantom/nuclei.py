"""Nuclei: ellipses where they resolve, and by the same drawing a texture where they do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    crowd = rng.uniform(0.65, 1.2) * np.exp(
        0.28 * draw_field(rng, anatomy.size_um, 350.0).at(centre)
    )
    inflamed = draw_field(rng, anatomy.size_um, 140.0).at(centre) > rng.uniform(0.9, 2.6)
    chance = _chance(here, crowd, inflamed)
    kept = rng.random(len(centre)) < chance
    in_stroma = (here.epithelium < 0.5)[kept] & ~inflamed[kept]
    number = int(kept.sum())
    half = rng.normal(rng.uniform(3.2, 3.9), 0.35, number).clip(2.4, 5.2)
    axes = np.where(
        in_stroma[:, None], np.stack([half * 1.8, half * 0.45], 1), np.stack([half * 1.1, half * 0.9], 1)
    )
    angle = rng.uniform(0, np.pi, number)
    along = anatomy.direction + rng.normal(0, 0.25, number)
    return Nuclei(
        centre[kept], axes, np.where(in_stroma, along, angle), rng.uniform(0.75, 1.2, number)
    )


def _chance(here: Composition, crowd: Values, inflamed: Values) -> Values:
    basal = np.exp(-(((here.depth - 6.5) / 4.5) ** 2))
    lined = (here.label == Label.NC) | (here.label == Label.GG3)
    cells = np.where(lined, 0.16 + 0.84 * basal, 0.46)
    stroma = np.where(inflamed, 0.5, 0.13)
    chance = here.epithelium * cells + (1 - here.epithelium) * stroma
    return chance * crowd * (1 - here.lumen) * here.tissue


def paint_nuclei(nuclei: Nuclei, shape: tuple[int, int], um_per_px: float) -> Values:
    """Haematoxylin of the nuclei on a pixel grid, [H, W]."""
    canvas = np.zeros(shape)
    reach = int(np.ceil(nuclei.axes.max(initial=1.0) / um_per_px)) + 1
    steps = np.arange(-reach, reach + 1)
    pixel = np.floor(nuclei.centre / um_per_px).astype(int)
    cos, sin = np.cos(nuclei.angle), np.sin(nuclei.angle)
    for dy in steps:
        for dx in steps:
            y, x = pixel[:, 0] + dy, pixel[:, 1] + dx
            offset_y = (y + 0.5) * um_per_px - nuclei.centre[:, 0]
            offset_x = (x + 0.5) * um_per_px - nuclei.centre[:, 1]
            length = (offset_x * cos + offset_y * sin) / nuclei.axes[:, 0]
            width = (offset_y * cos - offset_x * sin) / nuclei.axes[:, 1]
            size = np.sqrt(nuclei.axes.prod(axis=1))
            depth = (1 - np.hypot(length, width)) * size
            cover = np.clip(depth / um_per_px + 0.5, 0, 1) * nuclei.darkness
            inside = (cover > 0) & (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
            np.maximum.at(canvas, (y[inside], x[inside]), cover[inside])
    return canvas
