import numpy as np
import pytest

from disc.masks.shapes import count_regions, label_shape, shape_map


def test_labels_become_ranks_by_pixel_count():
    mask = np.array([[3, 3, 3, 1], [3, 3, 1, 0]], np.uint8)
    expected = np.array([[0, 0, 0, 1], [0, 0, 1, 2]], np.uint8)
    np.testing.assert_array_equal(shape_map(mask), expected)


def test_one_label_has_one_region():
    shape = shape_map(np.full((4, 4), 2, np.uint8))
    assert count_regions(shape) == 1
    assert not shape.any()


def test_labelling_a_shape_with_its_own_labels_gives_the_mask_back():
    mask = np.random.default_rng(0).choice(4, (16, 16), p=[0.1, 0.2, 0.3, 0.4]).astype(np.uint8)
    by_count = np.argsort(-np.bincount(mask.ravel(), minlength=4))
    np.testing.assert_array_equal(label_shape(shape_map(mask), by_count.tolist()), mask)


def test_unknown_pixels_take_the_rank_of_the_nearest_label():
    mask = np.array([[0, 0, 0, 255, 255, 2, 2]], np.uint8)
    np.testing.assert_array_equal(shape_map(mask), [[0, 0, 0, 0, 1, 1, 1]])


def test_a_mask_without_labels_is_refused():
    with pytest.raises(ValueError, match="no shape map"):
        shape_map(np.full((2, 2), 255, np.uint8))


def test_labels_must_fit_the_regions():
    with pytest.raises(ValueError, match="distinct"):
        label_shape(np.array([[0, 1]], np.uint8), [2, 2])
