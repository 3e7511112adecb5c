"""The public door: `disc.load` weights, sample tiles from masks, read them again, draw recipes.

What the studio, the commands and notebooks use. `import disc` alone loads none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from disc.asked import Masks, Tiles, check_count, check_masks, check_seed, check_tiles, spread_seed
from disc.asked import masks_from_sicapv2 as masks_from_sicapv2
from disc.data.tiles.tile_set import TileSet
from disc.evaluate.referee import read_tiles, referee_features
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet
from disc.masks.recipes import draw_recipe, label_weights
from disc.masks.shapes import label_shape
from disc.pipeline.weights.exported import open_exported
from disc.pipeline.weights.facts import NAME as FACTS
from disc.pipeline.weights.source import Beside, Part, Weights, find_variant
from disc.pipeline.weights.trained import open_run
from disc.sample.plans import Plan
from disc.sample.sampler import Sampler
from disc.sample.trajectory import OnStep
from disc.seeds import numpy_generator
from disc.settings.grading import EncoderName
from disc.settings.sampling import Solver
from disc.settings.synthesis import Variant, weights_of
from disc.slides.request import PASSES

if TYPE_CHECKING:
    from disc.pipeline.weights.gradings import Gradings
    from disc.slides.grade_slides import GradeReport
    from disc.slides.judging.record import GradeRecord

SHIPPED = Path(__file__).parent / "shipped"
"""Weights that come with the package; `make weights` makes them again."""


def load(folder: str | Path | None = None) -> Model:
    """Trained weights, ready to sample.

    Args:
        folder: of a run, as `disc run` leaves it once a denoiser is trained, or of weights that
            `disc export` wrote; None: those that the package ships, which know simulated tissue
            only.

    Raises:
        FileNotFoundError: if there is neither.
        BadInput: if what the weights say of themselves cannot be read, or the run has no trained
            denoiser.
    """
    if folder is None:
        if not (SHIPPED / FACTS).is_file():
            raise FileNotFoundError(
                "this installation of disc has no weights inside; give the folder of a run (make "
                "demo leaves runs/demo) or of exported weights"
            )
        return Model(open_exported(SHIPPED))
    path = Path(folder)
    return Model(open_exported(path) if (path / FACTS).is_file() else open_run(path))


@dataclass(frozen=True)
class Model:
    """A trained generator and the referee beside it; networks are read when first asked for."""

    weights: Weights
    _samplers: dict[Variant, Sampler] = field(default_factory=dict, repr=False, compare=False)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that can be sampled."""
        return self.weights.variants

    @property
    def tile_px(self) -> int:
        """Side of its tiles, in pixels."""
        return self.weights.tile_px

    @property
    def um_per_px(self) -> float | None:
        """Width of a pixel of its tiles in µm; None where nobody knows."""
        return self.weights.um_per_px

    @property
    def lacking(self) -> Mapping[Beside, str]:
        """What does not lie beside the generator (`referee`, `shapes`, `tiles`), and why not."""
        return self.weights.lacking

    def real_tiles(self, part: Part = "train") -> TileSet:
        """Real tiles: those that it was trained on, or `test` tiles of other patients.

        Raises:
            BadInput: if there are none beside the weights.
        """
        return self.weights.tiles(part)

    def sample(
        self,
        masks: Masks,
        *,
        variant: str = "sd-sc",
        plan: str | None = None,
        steps: int | None = None,
        seed: int | Sequence[int] = 0,
        on_step: OnStep | None = None,
    ) -> Tiles:
        """Tiles that follow masks.

        Args:
            masks: classes, uint8 [N, H, W] or one [H, W]: 0 Non-Cancer, 1 GG3, 2 GG4, 3 GG5, and
                255 where nothing is asked for. `disc.masks_from_sicapv2` makes them of 0, 3, 4, 5;
                a mask of 0 and 3 alone cannot be told from classes, and is taken as such.
            variant: `sd`, `sd-sc`, `sd-disc`, `sd-disc-cotrain` or `sd-disc-fast`.
            plan: how `sd-sc` fuses the labels of a tile (`end`, `step`, `switch@0.75`, ...; see
                `disc.sample.plans`); None: as the run's configuration says.
            steps: of the solver; None: as the run's configuration says.
            seed: of all tiles, of which each has a stream of its own; or one seed a tile.
            on_step: told after every step how many are done and how many there are; what it raises
                ends the sampling.

        Returns:
            Tiles, uint8 [N, H, W, 3], or [H, W, 3] of one mask.

        Raises:
            BadInput: if a mask, the variant, the plan or the number of steps or seeds cannot be.
        """
        stack = check_masks(np.asarray(masks), self.tile_px)
        name = find_variant(self.weights, variant)
        sampler = self.sampler(name, plan=plan, steps=steps)
        tiles = sampler.generate(name, stack, spread_seed(seed, len(stack)), on_step=on_step)
        return tiles if np.ndim(masks) == 3 else tiles[0]

    def sampler(
        self, variant: str, *, plan: str | None = None, steps: int | None = None
    ) -> Sampler:
        """What `sample` draws tiles with, for work on whole slides; arguments as there.

        Raises:
            BadInput: as `sample`.
        """
        name = find_variant(self.weights, variant)
        if plan is None:
            return self._sampler(name, steps)
        if name != "sd-sc":
            raise BadInput(f"plan {plan}: only sd-sc fuses labels; leave it out with {name}")
        Plan.parse(plan)
        sampler = self._sampler(name, steps)
        return replace(sampler, settings=replace(sampler.settings, plan=plan))

    def find_variant(self, name: str) -> Variant:
        """The variant of a name; BadInput if the weights have none of it."""
        return find_variant(self.weights, name)

    def segment(self, tiles: Tiles) -> Masks:
        """What the referee, an independent evaluation network, reads in tiles.

        Args:
            tiles: uint8 [N, H, W, 3], or one [H, W, 3].

        Returns:
            Classes, uint8 [N, H, W], or [H, W].

        Raises:
            BadInput: if they are no tiles.
        """
        array = np.asarray(tiles)
        labels = read_tiles(self._referee, check_tiles(array, self.tile_px))
        return labels if array.ndim == 4 else labels[0]

    def features(self, tiles: Tiles) -> npt.NDArray[np.float64]:
        """What the referee sees in tiles halfway, texture above all: float64 [N, D], or [D].

        Arguments and errors as of `segment`.
        """
        array = np.asarray(tiles)
        found = referee_features(self._referee, check_tiles(array, self.tile_px))
        return found if array.ndim == 4 else found[0]

    def recipe(self, primary: int, secondary: int, *, tiles: int = 20, seed: int = 0) -> Masks:
        """Masks of a synthetic slide of a Gleason score, uint8 [tiles, H, W].

        Shapes are those of the training masks.

        Raises:
            BadInput: if the score is none, the training tiles lack one of its grades, or the
                weights were exported without shapes.

        Paper: Sec. 2.2.
        """
        check_count(tiles, "tiles")
        book, known = self.weights.book, self.weights.known
        rng = numpy_generator(check_seed(seed), "recipe", primary, secondary)
        try:
            weights = label_weights(primary, secondary, known=known)
            drawn = draw_recipe(book.regions, weights, tiles=(tiles, tiles), rng=rng)
        except ValueError as error:
            raise BadInput(f"recipe {primary}+{secondary}: {error}") from error
        return np.stack([label_shape(book.shapes[tile.shape], tile.labels) for tile in drawn])

    def grade(
        self,
        slide: str | Path,
        out: str | Path | None = None,
        *,
        mpp: float | None = None,
        grader: str = "real",
        passes: int = PASSES,
    ) -> GradeRecord:
        """Grade a slide with a run's graders, or say why not. Research use only.

        Args:
            slide: a file that `disc tile` reads.
            out: new folder for map, outlines, tables and report; None: none of them is kept.
            mpp: micrometres per pixel of the slide, where it does not say.
            grader: which of the run's graders: the name of a folder in graders/pixels.
            passes: how often windows cover it: 1, 5, 10 or 17.

        Raises:
            FileNotFoundError: if the run lacks a file.
            BadInput: if the run has no graders, or the slide no tissue, no resolution or damage.
        """
        place = None if out is None else Path(out)
        return self.gradings.of_slides(grader).grade(Path(slide), place, mpp=mpp, passes=passes)

    def grade_slides(
        self,
        slides: Sequence[Path],
        out: Path,
        *,
        mpp: float | None = None,
        grader: str = "real",
        passes: int = PASSES,
    ) -> GradeReport:
        """Grade many slides, a folder each in `out`; the others go on where one fails.

        Arguments and errors as `grade`; what stands already is left as it is.
        """
        return self.gradings.of_slides(grader).grade_slides(slides, out, mpp=mpp, passes=passes)

    def grade_features(
        self,
        files: Sequence[Path],
        out: Path,
        *,
        grader: str = "real",
        encoder: EncoderName | None = None,
    ) -> GradeReport:
        """Grade from HDF5 files of features, a folder each in `out`.

        Args:
            files: of features [N, D], as CLAM and TRIDENT write them.
            out: folder of the results.
            grader: which of the run's graders.
            encoder: that made the features; None: the run's, if it has one alone.

        Raises:
            BadInput: if the run has no slide graders on it.
        """
        return self.gradings.of_features(grader, encoder).grade_features(files, out)

    def export_wsinfer(self, out: str | Path, *, grader: str = "real") -> str:
        """Write the pixel grader to a new folder for QuPath's WSInfer extension."""
        return self.gradings.of_pixels(grader).export_wsinfer(Path(out))

    @cached_property
    def gradings(self) -> Gradings:
        """All graders, each with what validation slides tell of it; read when first asked for."""
        # pages and pictures are of no use to those who only sample
        from disc.pipeline.weights.gradings import Gradings

        return Gradings(self.weights)

    @cached_property
    def _referee(self) -> CarcinoNet:
        return self.weights.referee()

    def _sampler(self, name: Variant, steps: int | None) -> Sampler:
        """The sampler of a variant, with its own weights alone read, once."""
        weights = weights_of(name)
        if weights not in self._samplers:
            self._samplers[weights] = self.weights.sampler(name)
        sampler = self._samplers[weights]
        if steps is None:
            return sampler
        num = check_count(steps, "steps")
        try:
            solver: Solver = replace(self.weights.solver_of(name), steps=num)
        except ValueError as error:
            raise BadInput(f"steps {num}: {error}") from error
        return replace(sampler, solvers={**sampler.solvers, name: solver})
