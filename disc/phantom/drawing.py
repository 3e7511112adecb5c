"""One simulated slide: its image, its exact mask and its annotator's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.phantom.annotator import Annotation, annotate
from disc.phantom.core import Labels
from disc.phantom.fields import Points, SmoothField, Values, draw_field, grid_points, grid_shape
from disc.phantom.nuclei import Nuclei, draw_nuclei, draw_nuclei_pixels
from disc.phantom.stain import HOME, Scanner, Stain, draw_stain, expose
from disc.phantom.tissue import Anatomy, Composition, draw_anatomy

Window = tuple[float, float, float, float]
"""Top, left, height and width of a part of a slide, in micrometres."""
_STRIP = 2**20
"""So many pixels are drawn at once; it bounds the memory that large pictures take."""


@dataclass(frozen=True)
class Picture:
    """A slide, or a part of it, as pixels.

    Attributes:
        image: uint8 [H, W, 3].
        mask: the annotator's labels, uint8 [H, W].
        exact: the labels of the territories themselves, glass Non-Cancer, uint8 [H, W].
        tissue: bool [H, W], False on glass.
        epithelium: bool [H, W], True on the cells of glands, cords and sheets.
        gland: bool [H, W], True on epithelium and on the lumina within it.
    """

    image: Labels
    mask: Labels
    exact: Labels
    tissue: npt.NDArray[np.bool_]
    epithelium: npt.NDArray[np.bool_]
    gland: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Drawing:
    """One slide in micrometres; `render` gives its pixels at any resolution.

    Attributes:
        anatomy: the tissue.
        nuclei: the cells' nuclei.
        stain: dyes and scanner.
        uneven: where the slide took more or less haematoxylin and eosin, and where its stroma is
            bluer, so that no colour belongs to a grade.
        annotation: what the annotator drew; None: the exact labels.
    """

    anatomy: Anatomy
    nuclei: Nuclei
    stain: Stain
    uneven: tuple[SmoothField, SmoothField, SmoothField]
    annotation: Annotation | None

    def render(self, um_per_px: float, window: Window | None = None) -> Picture:
        """The slide, or a window of it, at a resolution in micrometres per pixel."""
        top, left, *size = (0.0, 0.0, *self.anatomy.size_um) if window is None else window
        shape = grid_shape((size[0], size[1]), um_per_px)
        corner = np.array([top, left])
        points = grid_points(shape, um_per_px) + corner
        strips = np.array_split(points, 1 + len(points) // _STRIP)
        drawn = zip(*(self._draw(strip, um_per_px) for strip in strips), strict=True)
        amounts, *maps = (np.concatenate(part).reshape(*shape, -1) for part in drawn)
        nuclei = replace(self.nuclei, centre=self.nuclei.centre - corner)
        amounts[..., 0] += draw_nuclei_pixels(nuclei, shape, um_per_px)
        image = expose(amounts, self.stain, um_per_px)
        return Picture(image, *(part[..., 0] for part in maps))

    def _draw(self, points: Points, um_per_px: float) -> tuple[npt.NDArray[Any], ...]:
        """Dyes [N, 2] at points [N, 2], and each map of a `Picture` there, [N]."""
        here = self.anatomy.composition(points, um_per_px)
        *dyes, blue = (field.at(points) for field in self.uneven)
        amounts = _dye(here, 0.14 * np.exp(0.6 * blue)) * np.exp(0.2 * np.stack(dyes, axis=1))
        mask = here.label if self.annotation is None else self.annotation.at(points)
        tissue = here.tissue > 0.5
        epithelium, gland = tissue & (here.epithelium > 0.5), tissue & (here.depth > 0)
        return amounts, mask, here.label, tissue, epithelium, epithelium | gland


def draw_slide(
    rng: np.random.Generator,
    score: tuple[int, int],
    *,
    core_um: tuple[float, float] = (650.0, 3000.0),
    annotation_noise: float = 1.0,
    scanner: Scanner = HOME,
) -> Drawing:
    """Draw one slide.

    Args:
        rng: the slide's own generator.
        score: primary and secondary Gleason grade; (0, 0) is benign.
        core_um: mean width and length of the core.
        annotation_noise: 0 gives the exact mask, 1 the committed noise. It changes the
            annotator's mask only.
        scanner: the laboratory.
    """
    growth, cells, dye, hand = rng.spawn(4)
    anatomy = draw_anatomy(growth, core_um, score)
    uneven = [draw_field(dye, anatomy.size_um, reach) for reach in (400.0, 400.0, 300.0)]
    return Drawing(
        anatomy=anatomy,
        nuclei=draw_nuclei(cells, anatomy),
        stain=draw_stain(dye, scanner),
        uneven=(uneven[0], uneven[1], uneven[2]),
        annotation=annotate(hand, anatomy, annotation_noise) if annotation_noise else None,
    )


def _dye(here: Composition, blue: Values) -> Values:
    """Haematoxylin and eosin [N, 2] of everything but nuclei; `blue`: haematoxylin of stroma."""
    open_space = np.maximum(here.lumen, 1 - here.tissue)
    stroma = np.clip(1 - here.epithelium - open_space, 0, 1)
    fibre = np.clip(1 + 0.28 * here.fibre, 0.2, 1.8)
    haematoxylin = 0.31 * here.epithelium + blue * stroma * fibre
    eosin = 0.36 * here.epithelium + 0.62 * stroma * fibre
    eosin += 0.25 * here.secretion * here.lumen * here.tissue * (here.depth > 0)
    return np.stack([haematoxylin, eosin], axis=1) * here.tissue[:, None]
