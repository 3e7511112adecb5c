"""Which masks are targets and which tiles are segmented: the same for every variant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from disc.data.tiles.tile_set import TileSet
from disc.labels import IGNORE, Label
from disc.masks.recipes import draw_tile
from disc.masks.shapes import label_shape
from disc.sample.synthesis import ShapeBook, SlideRecipe
from disc.seeds import numpy_generator
from disc.settings.evaluation import Evaluate

Masks = npt.NDArray[np.uint8]


def draw_targets(
    book: ShapeBook, known: Sequence[int], settings: Evaluate, seed: int, tile_px: int
) -> tuple[Masks, list[str]]:
    """The target masks of every variant, and the slide that each was drawn on.

    Single-class masks in equal parts of the known labels; then shapes of several regions, their
    labels drawn evenly. A single-class mask has no source and stands for itself.

    Returns:
        uint8 [N, H, W], and N names.
    """
    rng = numpy_generator(seed, "asked")
    labels = [known[i % len(known)] for i in range(settings.num_uniform)]
    masks = [np.full((tile_px, tile_px), label, np.uint8) for label in labels]
    sources = [f"uniform {i}" for i in range(len(masks))]
    multi = [i for i, count in enumerate(book.regions) if 1 < count <= len(known)]
    weights = np.zeros(len(Label))
    weights[list(known)] = 1 / len(known)
    for _ in range(settings.num_mixed if multi else 0):
        tile = draw_tile([book.regions[i] for i in multi], weights, rng)
        chosen = multi[tile.shape]
        masks.append(label_shape(book.shapes[chosen], tile.labels))
        sources.append(book.sources[chosen].slide_id)
    empty = np.empty((0, tile_px, tile_px), np.uint8)
    return np.stack(masks) if masks else empty, sources


def draw_synthesis_masks(
    plans: Sequence[SlideRecipe], book: ShapeBook, num: int, seed: int
) -> tuple[Masks, list[str]]:
    """Some of the masks of several labels that synthesis asks for, whose labels come by weight.

    Args:
        plans: the synthetic slides.
        book: the shape maps that they name.
        num: masks to draw; fewer where there are not as many.
        seed: of the choice.

    Returns:
        uint8 [N, H, W], and the N slides that the shapes were drawn on.
    """
    tiles = [tile for plan in plans for tile in plan.tiles if len(tile.labels) > 1]
    order = numpy_generator(seed, "masks of synthesis").permutation(len(tiles))[:num]
    chosen = [tiles[i] for i in order]
    masks = [label_shape(book.shapes[tile.shape], tile.labels) for tile in chosen]
    side = len(book.shapes[0])
    generated = np.stack(masks) if masks else np.empty((0, side, side), np.uint8)
    return generated, [book.sources[tile.shape].slide_id for tile in chosen]


def join_real_tiles(tiles: TileSet, targets: Masks, seed: int) -> tuple[list[int], Masks]:
    """Collages: for each target mask, real single-class tiles, each where the mask has its label.

    Returns:
        Which masks can be served (all their labels have a single-class tile), and their collages
        uint8 [M, H, W, 3].
    """
    masks = [tiles.mask(i) for i in range(len(tiles))]
    pools = [[i for i, mask in enumerate(masks) if (mask == label).all()] for label in Label]
    served = [i for i, mask in enumerate(targets) if all(pools[label] for label in np.unique(mask))]
    collages = np.zeros((len(served), *targets.shape[1:], 3), np.uint8)
    for collage, number in zip(collages, served, strict=True):
        rng = numpy_generator(seed, "collage", number)
        for label in np.unique(targets[number]):
            is_label = targets[number] == label
            collage[is_label] = tiles.image(int(rng.choice(pools[label])))[is_label]
    return served, collages


def choose_tiles(tiles: TileSet, num_one: int, num_multi: int, seed: int) -> list[int]:
    """A seeded choice of single-class and of multi-class tiles."""
    order = numpy_generator(seed, "ceiling").permutation(len(tiles))
    left = {True: num_one, False: num_multi}
    chosen = []
    for index in order:
        mask = tiles.mask(int(index))
        labels = set(np.unique(mask)) - {IGNORE}
        is_one = len(labels) == 1
        if labels and left[is_one]:
            left[is_one] -= 1
            chosen.append(int(index))
        if not any(left.values()):
            break
    return chosen
