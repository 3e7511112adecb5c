"""Bags that are added to the real ones: synthetic, or a control in their place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from disc.data.tiles.labels import count_labels
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.bags import Bag
from disc.labels import slide_label
from disc.pipeline.stages.grading_data import scored_slides
from disc.seeds import numpy_generator
from disc.study.grid import REAL, Cell
from disc.study.request import AGAIN, BALANCED, REAL_CONTROLS, SHUFFLED
from disc.study.study import Study


def real_bags(study: Study, cell: Cell) -> list[Bag]:
    """Bags of the training slides."""
    return study.bags(cell, "real", scored_slides(study.base(cell.fold).training_set))


def added_bags(study: Study, cell: Cell, real: Sequence[Bag]) -> list[Bag]:
    """What a cell adds to the real bags: none, synthetic bags, or a control's."""
    if cell.variant == REAL:
        return []
    seed = study.request.seed
    if cell.variant in REAL_CONTROLS:
        if cell.variant == AGAIN:
            return list(real)
        recipes = _recipes(study, cell)
        if cell.variant == BALANCED:
            return balance_bags(real, count_primaries(recipes), seed)
        return match_sizes(_remix(study, cell, recipes, seed), real, seed, study)
    run = study.run_of(cell)
    slides = study.synthetic(run, cell.source).slides.values()
    bags = study.bags(cell, study.synthetic_name(run, cell.source), slides)
    bags = match_sizes(bags, real, seed, study)
    return shuffle_truths(bags, seed) if cell.variant.endswith(f"-{SHUFFLED}") else bags


def _recipes(study: Study, cell: Cell) -> TileSet:
    """The synthetic slides in whose place a control of real tiles stands."""
    base = replace(cell, source=study.variants[0], condition="")
    return study.synthetic(study.run_of(base), base.source)


def count_primaries(tiles: TileSet) -> Counter[int]:
    """Slides by primary grade."""
    return Counter(slide.primary or 0 for slide in tiles.slides.values())


def require_copies(study: Study, cells: Sequence[Cell]) -> None:
    """See that there are bags to copy, before the first grader is trained.

    Raises:
        BadInput: if no training slide has a primary grade that synthetic slides have.
    """
    for cell in {cell.fold: cell for cell in cells if cell.variant == BALANCED}.values():
        wanted = count_primaries(_recipes(study, cell))
        context = study.base(cell.fold)
        if not wanted.keys() & {slide.primary for slide in scored_slides(context.training_set)}:
            raise BadInput(
                f"{context.folder}: control {BALANCED} copies training slides of the grades of "
                f"synthetic ones; they are of primary grade {', '.join(map(str, sorted(wanted)))}, "
                f"of which no training slide of {cell.fold} is. Leave {BALANCED} out of --controls"
            )


def balance_bags(real: Sequence[Bag], wanted: Counter[int], seed: int) -> list[Bag]:
    """Copies of real bags, as many of each primary grade as are wanted.

    Control: what resampling alone gains. A grade without a real bag gets none.
    """
    rng = numpy_generator(seed, "balanced")
    chosen: list[Bag] = []
    for grade in sorted(wanted):
        some = [bag for bag in real if bag.primary == grade]
        if some:
            chosen += [some[i] for i in rng.integers(0, len(some), wanted[grade])]
    return chosen


def shuffle_truths(bags: Sequence[Bag], seed: int) -> list[Bag]:
    """The bags with the labels of each other, those of their instances too.

    Control: what synthetic tiles do whatever their labels say.
    """
    rng = numpy_generator(seed, "shuffled labels")
    order = rng.permutation(len(bags))
    return [
        replace(
            bag,
            truth=other.truth,
            primary=other.primary,
            labels=None if other.labels is None else rng.choice(other.labels, len(bag.features)),
        )
        for bag, other in zip(bags, [bags[i] for i in order], strict=True)
    ]


def match_sizes(bags: list[Bag], real: Sequence[Bag], seed: int, study: Study) -> list[Bag]:
    """Bags cut to sizes drawn from real ones, where the study asks for it."""
    if not study.request.match_sizes:
        return bags
    return cut_to_sizes(bags, [len(bag.features) for bag in real], seed)


def cut_to_sizes(bags: Sequence[Bag], sizes: Sequence[int], seed: int) -> list[Bag]:
    """Bags whose tiles are some of theirs: as many as a size drawn for each, or all."""
    cut = []
    for bag in bags:
        rng = numpy_generator(seed, "size", bag.slide_id)
        num = min(len(bag.features), int(rng.choice(np.asarray(sizes))))
        kept = np.sort(rng.permutation(len(bag.features))[:num])
        places = None if bag.coords is None else bag.coords[kept]
        labels = None if bag.labels is None else bag.labels[kept]
        cut.append(replace(bag, features=bag.features[kept], coords=places, labels=labels))
    return cut


def _remix(study: Study, cell: Cell, recipes: TileSet, seed: int) -> list[Bag]:
    tiles = study.base(cell.fold).training_set
    slides = [slide for slide in tiles.slides.values() if slide.primary is not None]
    bags = {bag.slide_id: bag for bag in study.bags(cell, "real", slides)}
    by_label: dict[int, list[np.ndarray]] = defaultdict(list)
    for slide_id, bag in bags.items():
        for row, index in zip(bag.features, tiles.bag(slide_id), strict=True):
            by_label[main_label(tiles, index)].append(row)
    wanted = {
        slide: [main_label(recipes, index) for index in recipes.bag(slide)]
        for slide in recipes.slides
    }
    templates = read_bags_of(recipes)
    return remix_bags(templates, wanted, by_label, seed)


def read_bags_of(recipes: TileSet) -> list[Bag]:
    """Bags of synthetic slides without features: their names and labels alone."""
    nothing = np.zeros((0, 0), np.float32)
    return [
        Bag(
            slide_id=slide.slide_id,
            patient_id=slide.patient_id,
            features=nothing,
            truth=slide_label(slide.primary or 0, slide.secondary or 0),
            primary=slide.primary or 0,
        )
        for slide in recipes.slides.values()
    ]


def remix_bags(
    templates: Sequence[Bag],
    wanted: dict[str, list[int]],
    by_label: dict[int, list[np.ndarray]],
    seed: int,
) -> list[Bag]:
    """Bags of real tiles by the recipes of synthetic slides.

    Control: what new mixtures of the tiles that there are gain.

    Args:
        templates: names and labels of the bags.
        wanted: most frequent label of every tile, by slide.
        by_label: feature vectors of real tiles by their most frequent label.
        seed: of the choice.
    """
    mixed = []
    for bag in templates:
        rng = numpy_generator(seed, "remixed", bag.slide_id)
        rows = [
            by_label[label][int(rng.integers(len(by_label[label])))]
            for label in wanted[bag.slide_id]
            if by_label.get(label)
        ]
        if rows:
            mixed.append(replace(bag, features=np.stack(rows).astype(np.float32)))
    return mixed


def main_label(tiles: TileSet, index: int) -> int:
    """The most frequent label of a tile's mask; Non-Cancer where none is known."""
    return int(np.argmax(count_labels(tiles.mask(index))))
