"""One simulated slide: its image, its exact mask and its annotator's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.phantom.annotator import Annotation, annotate
from disc.phantom.core import Labels
from disc.phantom.fields import SmoothField, Values, draw_field, grid_points, grid_shape
from disc.phantom.nuclei import Nuclei, draw_nuclei, paint_nuclei
from disc.phantom.stain import HOME, Scanner, Stain, draw_stain, expose
from disc.phantom.tissue import Anatomy, Composition, draw_anatomy


@dataclass(frozen=True)
class Picture:
    """A slide as pixels.

    Attributes:
        image: uint8 [H, W, 3].
        mask: the annotator's labels, uint8 [H, W].
        exact: the labels of the territories themselves, glass Non-Cancer, uint8 [H, W].
        tissue: bool [H, W], False on glass.
    """

    image: Labels
    mask: Labels
    exact: Labels
    tissue: npt.NDArray[np.bool_]


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

    def render(self, um_per_px: float) -> Picture:
        """The slide at a resolution, in micrometres per pixel."""
        shape = grid_shape(self.anatomy.size_um, um_per_px)
        points = grid_points(shape, um_per_px)
        here = self.anatomy.composition(points, um_per_px)
        *dyes, blue = (field.at(points) for field in self.uneven)
        amounts = _dye(here, 0.14 * np.exp(0.6 * blue)) * np.exp(0.2 * np.stack(dyes, axis=1))
        amounts = amounts.reshape(*shape, 2)
        amounts[..., 0] += paint_nuclei(self.nuclei, shape, um_per_px)
        exact = here.label.reshape(shape)
        mask = exact if self.annotation is None else self.annotation.at(points).reshape(shape)
        tissue = here.tissue.reshape(shape) > 0.5
        return Picture(expose(amounts, self.stain, um_per_px), mask, exact, tissue)


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
