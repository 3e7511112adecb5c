from pathlib import Path

import numpy as np

from disc.data.tiles.records import Tile
from disc.masks.recipes import TileRecipe
from disc.pipeline.evaluation_masks import draw_synthesis_masks, draw_targets, join_real_tiles
from disc.sample.synthesis import ShapeBook, SlideRecipe
from disc.settings.evaluation import Evaluate

SETTINGS = Evaluate(num_uniform=8, num_mixed=30)


def book(*names):
    halves = np.repeat([[0], [1]], 4, 0).repeat(8, 1).astype(np.uint8)
    whole = np.zeros((8, 8), np.uint8)
    tiles = [Tile(name=n, slide_id=n, image=Path(n), mask=None, x=0, y=0) for n in names]
    return ShapeBook([halves] * (len(names) - 1) + [whole], tiles)


def test_single_class_masks_are_in_equal_parts_and_the_rest_is_multi_class():
    masks, sources = draw_targets(book("A", "B"), [0, 1, 2, 3], SETTINGS, 0, 8)
    labels = [set(np.unique(mask)) for mask in masks]
    assert [len(found) for found in labels] == [1] * 8 + [2] * 30
    assert sorted(min(found) for found in labels[:8]) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert set(sources[8:]) == {"A"}
    assert len(set(sources[:8])) == 8


def test_only_known_labels_are_asked_for():
    masks, _ = draw_targets(book("A", "B"), [0, 2], SETTINGS, 0, 8)
    assert set(np.unique(masks)) == {0, 2}


def test_without_multi_class_annotations_all_targets_are_uniform():
    masks, _ = draw_targets(book("A"), [0, 1], SETTINGS, 0, 8)
    assert len(masks) == 8


def test_masks_of_synthesis_are_those_of_the_recipes_that_have_several_labels():
    one, several = TileRecipe(shape=2, labels=(1,)), TileRecipe(shape=0, labels=(3, 1))
    other = TileRecipe(shape=1, labels=(0, 2))
    plans = [SlideRecipe(None, [one, several], [0, 0]), SlideRecipe(None, [other, one], [0, 0])]
    masks, sources = draw_synthesis_masks(plans, book("A", "B", "C"), 9, 0)
    found = {source: (mask[0, 0], mask[-1, 0]) for mask, source in zip(masks, sources, strict=True)}
    assert found == {"A": (3, 1), "B": (0, 2)}
    assert len(draw_synthesis_masks(plans, book("A", "B", "C"), 1, 0)[0]) == 1
    assert draw_synthesis_masks([], book("A"), 5, 0)[0].shape == (0, 8, 8)


class OneLabelTiles:
    """Tiles of one label each, filled with ten times the label."""

    labels = (0, 0, 2)

    def __len__(self):
        return len(self.labels)

    def mask(self, index):
        return np.full((8, 8), self.labels[index], np.uint8)

    def image(self, index):
        return np.full((8, 8, 3), 10 * self.labels[index], np.uint8)


def test_a_collage_has_each_label_where_the_mask_has_it():
    mixed = np.repeat([[0], [2]], 4, 0).repeat(8, 1).astype(np.uint8)
    unserved = np.full((8, 8), 3, np.uint8)
    served, collages = join_real_tiles(OneLabelTiles(), np.stack([unserved, mixed]), 0)
    assert served == [1]
    np.testing.assert_array_equal(collages[0][..., 0], 10 * mixed)
