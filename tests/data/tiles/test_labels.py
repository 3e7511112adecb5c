"""The label of a tile."""

import numpy as np

from disc.data.tiles.labels import count_labels, label_tile, most_frequent_grade
from disc.labels import Label


def test_the_most_frequent_grade_counts_however_much_is_not_cancer() -> None:
    mask = np.array([[0, 0, 0, 1, 3, 3, 255]], np.uint8)
    assert count_labels(mask).tolist() == [3, 1, 0, 2]
    assert most_frequent_grade(count_labels(mask)) is Label.GG5
    assert most_frequent_grade(np.array([4, 0, 0, 0])) is None


def test_without_a_grade_only_a_wholly_known_tile_is_non_cancer() -> None:
    mask = np.zeros((4, 4), np.uint8)
    assert label_tile(count_labels(mask), mask.size) is Label.NC
    mask[0] = 255
    assert label_tile(count_labels(mask), mask.size) is None
    mask[1, :2], mask[2, :1] = 3, 1
    assert label_tile(count_labels(mask), mask.size) is Label.GG5
