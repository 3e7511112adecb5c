"""Synthetic slides before they are generated: recipes for primary grades that lack slides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

import numpy as np
import numpy.typing as npt

from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.labels import GRADES, Label, label_of_grade
from disc.masks.recipes import TileRecipe, draw_recipe, fill_counts, label_weights
from disc.masks.shapes import count_regions, shape_map
from disc.seeds import derive, numpy_generator
from disc.settings.synthesis import Synthesis

Masks = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ShapeBook:
    """Shape maps to draw from, and the tiles that they were drawn on."""

    shapes: Sequence[Masks]
    sources: list[Tile]

    @cached_property
    def regions(self) -> list[int]:
        """Number of regions of each shape map."""
        return [count_regions(shape) for shape in self.shapes]

    @cached_property
    def sizes(self) -> list[int]:
        """Number of tiles of each slide that shapes were drawn on."""
        counts = Counter(tile.slide_id for tile in self.sources)
        return [counts[slide] for slide in sorted(counts)]


@dataclass(frozen=True)
class SlideRecipe:
    """A synthetic slide before it is generated.

    Attributes:
        slide: its name and grades.
        tiles: its masks.
        seeds: of the noise of each tile.
        bundles: of a bank, one a tile; none where tiles are denoised anew.
    """

    slide: Slide
    tiles: list[TileRecipe]
    seeds: list[int]
    bundles: tuple[int, ...] = ()


def collect_shapes(tiles: TileSet) -> ShapeBook:
    """The shape maps of all tiles that have a labelled pixel."""
    kept = list(iterate_shapes(tiles))
    return ShapeBook([shape for _, shape in kept], [tiles.tiles[i] for i, _ in kept])


def iterate_shapes(tiles: TileSet) -> Iterator[tuple[int, Masks]]:
    """Index and shape map of every tile that has a labelled pixel."""
    for index in range(len(tiles)):
        mask = tiles.mask(index)
        if (mask < len(Label)).any():
            yield index, shape_map(mask)


def plan_slides(
    slides: Collection[Slide],
    book: ShapeBook,
    known: Collection[int],
    settings: Synthesis,
    counts: Mapping[int, int] | None = None,
) -> list[SlideRecipe]:
    """Recipes that fill every primary grade to the same number of slides.

    Secondary grades are drawn as often as the real slides of that primary grade have them, and
    evenly among the known grades where there are none. Grades absent from the training tiles are
    never requested. The same seed gives all variants the same slides, and more slides of a grade
    begin with the fewer.

    Args:
        slides: the real ones.
        book: shape maps to draw from.
        known: labels of the training tiles.
        settings: what slides are made of, and how many there are.
        counts: slides to plan by primary grade, in place of how many there are; None: as `settings`
            fill them.

    Paper: Sec. 2.2 and 3 (276 sets).
    """
    scored = [slide for slide in slides if slide.primary is not None]
    real = [sum(slide.primary == grade for slide in scored) for grade in GRADES.values()]
    wanted = fill_counts(real, settings.slides_per_grade)
    if counts is not None:
        wanted = tuple(counts.get(grade, 0) for grade in GRADES.values())
    plans = []
    for grade, count in zip(GRADES.values(), wanted, strict=True):
        if label_of_grade(grade) not in known:
            continue
        for number in range(count):
            rng = numpy_generator(settings.seed, "slide", grade, number)
            secondary = _draw_secondary(grade, scored, known, rng)
            name = f"S{grade}{secondary}N{number:04d}"
            weights = label_weights(grade, secondary, settings.weights, known=known)
            num = settings.tiles
            if settings.sizes == "real":
                num = (int(rng.choice(book.sizes)),) * 2
            tiles = draw_recipe(book.regions, weights, tiles=num, rng=rng)
            seeds = [derive(settings.seed, "tile", name, i) for i in range(len(tiles))]
            slide = Slide(slide_id=name, patient_id=name, primary=grade, secondary=secondary)
            plans.append(SlideRecipe(slide, tiles, seeds))
    return plans


def deal_bundles(
    plans: Sequence[SlideRecipe], bank_seeds: Sequence[int], *, seed: int, reuse: int
) -> list[SlideRecipe]:
    """Give every tile a bundle of a bank, and the bundle's seed in place of its own.

    All bundles are dealt once, in an order of the seed, before any is dealt again in a new order:
    the bundle of a tile is a function of the seed and of the tile's index in the set.

    Args:
        plans: the slides.
        bank_seeds: of the bank's bundles.
        seed: of the order.
        reuse: how many tiles a bundle may be used for.

    Raises:
        BadInput: if there are too few bundles.
    """
    total, num = sum(len(plan.tiles) for plan in plans), len(bank_seeds)
    if total > num * reuse:
        raise BadInput(
            f"{total} tiles from {num} bundles used {reuse} time(s) each: {ceil(total / reuse)} "
            f"bundles would do (disc bank --bundles), or --reuse {ceil(total / num)}"
        )
    rounds = range(ceil(total / num))
    orders = [numpy_generator(seed, "deal", i).permutation(num).tolist() for i in rounds]
    dealt = iter([bundle for order in orders for bundle in order])
    given = []
    for plan in plans:
        bundles = tuple(next(dealt) for _ in plan.tiles)
        given.append(replace(plan, bundles=bundles, seeds=[bank_seeds[i] for i in bundles]))
    return given


def _draw_secondary(
    primary: int, slides: Sequence[Slide], known: Collection[int], rng: np.random.Generator
) -> int:
    if primary == 0:
        return 0
    grades = [GRADES[label] for label in Label if label != Label.NC and label in known]
    seen = [s.secondary for s in slides if s.primary == primary and s.secondary in grades]
    return int(rng.choice(seen or grades))
