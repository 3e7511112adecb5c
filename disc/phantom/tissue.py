"""What lies at a place: glass, stroma, epithelium, lumen; and the nuclei in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from disc.labels import Label
from disc.phantom.core import Core, Labels, draw_core
from disc.phantom.fields import Points, SmoothField, Values, draw_field, grid_shape, scatter
from disc.phantom.glands import Glands, draw_glands

HOLE_UM = (28.0, 7.5, 10.5)
"""Spacing of the lumina punched out of cribriform sheets, min and max radius."""
_SHARP_UM = 0.5


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What points [N] are made of; fractions of 0 to 1, soft over about a pixel at edges.

    Attributes:
        label: whose territory; glass is Non-Cancer.
        tissue: fraction that is not glass.
        epithelium: fraction of glandular cells.
        lumen: fraction of open space: lumina, clefts between fibres.
        depth: micrometres inside the gland's outline, -inf outside of glands.
        fibre: how dense the stroma's fibres are here, about -2 to 2.
        secretion: eosin in the open space.
    """

    label: Labels
    tissue: Values
    epithelium: Values
    lumen: Values
    depth: Values
    fibre: Values
    secretion: Values


@dataclass(frozen=True)
class Anatomy:
    """One slide's tissue, without stain or light.

    Attributes:
        warp: displacement of all that grows, so that nothing is a perfect figure.
        fibres: stroma, in coordinates along and across the fibres.
        direction: of the fibres, in radians.
        clefts: where the stroma is loose, and how much of it: field and threshold.
        cords: two fields; cords run where the first is near 0, the second swells them to sheets.
        holes: centres and radii of cribriform lumina.
    """

    core: Core
    glands: Glands
    warp: tuple[SmoothField, SmoothField]
    fibres: SmoothField
    direction: float
    clefts: tuple[SmoothField, float]
    cords: tuple[SmoothField, SmoothField]
    holes: tuple[cKDTree, Values]

    @property
    def size_um(self) -> tuple[float, float]:
        """Height and width of the drawing."""
        return self.core.size_um

    def label(self, points: Points) -> Labels:
        """Whose territory points [N, 2] are, as if there were no glass, [N]."""
        return self.glands.label[self.glands.owner(self._warped(points))]

    def composition(self, points: Points, edge_um: float = _SHARP_UM) -> Composition:
        """What points [N, 2] are made of, with edges softened over `edge_um`."""
        places = self._warped(points)
        owner = self.glands.owner(places)
        depth, lining = self.glands.outline(owner, places)
        label = self.glands.label[owner]
        lumen_depth = depth - lining
        cribriform = ((label == Label.GG4) & (depth > 0)).nonzero()[0]
        lumen_depth[cribriform] = self._hole_depth(places[cribriform])
        solid = (label == Label.GG5).nonzero()[0]
        depth[solid] = self._cord_depth(places[solid])
        fibre = self._fibre(places)
        cleft = self._cleft(places, fibre)
        cleft[solid] = np.maximum(cleft[solid], self._retraction(places[solid], depth[solid]))
        tissue, epithelium, lumen = (
            _cover(inside, edge_um) for inside in (self.core.depth(points), depth, lumen_depth)
        )
        return Composition(
            label=np.where(tissue > 0.5, label, Label.NC).astype(np.uint8),
            tissue=tissue,
            epithelium=epithelium * (1 - lumen),
            lumen=np.maximum(lumen, cleft * (1 - epithelium)),
            depth=depth,
            fibre=fibre,
            secretion=self.glands.secretion[owner],
        )

    def _warped(self, points: Points) -> Points:
        return points + 5.0 * np.stack([field.at(points) for field in self.warp], axis=1)

    def _hole_depth(self, places: Points) -> Values:
        tree, radius = self.holes
        distance, nearest = tree.query(places)
        depth: Values = radius[nearest] - distance
        return depth

    def _cord_depth(self, places: Points) -> Values:
        strand, swelling = self.cords
        width = 10.0 + 10.0 * np.clip(swelling.at(places) + 0.6, 0.0, 2.5)
        return width - 26.0 * np.abs(strand.at(places))

    def _fibre(self, places: Points) -> Values:
        cos, sin = np.cos(self.direction), np.sin(self.direction)
        rotation = np.array([[cos, sin], [-sin, cos]])
        across_and_along = (places - np.asarray(self.size_um) / 2) @ rotation
        return self.fibres.at(across_and_along + np.hypot(*self.size_um) / 2)

    def _cleft(self, places: Points, fibre: Values) -> Values:
        loose, threshold = self.clefts
        return np.clip((fibre - threshold + 0.8 * loose.at(places)) * 4, 0, 1)

    def _retraction(self, places: Points, depth: Values) -> Values:
        """Stroma torn from the cords, so that solid growth is not the only one without white."""
        width = 1.0 + 4.0 * self.clefts[0].at(places)
        return 0.8 * np.clip((depth + width) / 5, 0, 1)


def draw_anatomy(
    rng: np.random.Generator, mean_um: tuple[float, float], score: tuple[int, int]
) -> Anatomy:
    """Grow the tissue of one slide with a primary and a secondary grade."""
    core = draw_core(rng, mean_um, score)
    glands = draw_glands(rng, core)
    size = core.size_um
    far = (float(np.hypot(*size)),) * 2
    return Anatomy(
        core=core,
        glands=glands,
        warp=(draw_field(rng, size, 38.0), draw_field(rng, size, 38.0)),
        fibres=draw_field(rng, far, (7.0, 55.0)),
        direction=rng.uniform(-0.5, 0.5),
        clefts=(draw_field(rng, size, 160.0), rng.uniform(1.2, 2.4)),
        cords=(draw_field(rng, size, 30.0), draw_field(rng, size, 130.0)),
        holes=_punch(rng, glands, size),
    )


def _punch(
    rng: np.random.Generator, glands: Glands, size_um: tuple[float, float]
) -> tuple[cKDTree, Values]:
    """Lumina of the cribriform glands: an uneven hexagonal lattice, clear of the outlines."""
    spacing, min_um, max_um = HOLE_UM
    points = scatter(rng, size_um, spacing)
    row = np.arange(len(points)) // grid_shape(size_um, spacing)[1]
    points[:, 1] += (row % 2) * spacing / 2
    owner = glands.owner(points)
    depth, _ = glands.outline(owner, points)
    radius = rng.uniform(min_um, max_um, len(points))
    kept = (glands.label[owner] == Label.GG4) & (depth > radius + 4)
    far = np.array([[-1e6, -1e6]])  # So that the tree is never empty.
    return cKDTree(np.concatenate([points[kept], far])), np.append(radius[kept], 0.0)


def _cover(depth_um: Values, edge_um: float) -> Values:
    """Fraction of a pixel that is inside, from the depth of its centre."""
    return np.clip(depth_um / edge_um + 0.5, 0, 1)
