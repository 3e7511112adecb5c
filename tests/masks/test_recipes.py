import numpy as np
import pytest

from disc.labels import Label
from disc.masks.recipes import PAPER_WEIGHTS, draw_recipe, draw_tile, fill_counts, label_weights


def test_weights_of_a_score():
    weights = label_weights(3, 4)
    np.testing.assert_allclose(weights, [0.30, 0.40, 0.25, 0.05])


def test_equal_grades_add_up_and_the_rest_is_shared():
    np.testing.assert_allclose(label_weights(4, 4), [0.30, 0.025, 0.65, 0.025])


def test_benign_is_non_cancer_only():
    np.testing.assert_array_equal(label_weights(0, 0), [1, 0, 0, 0])


def test_absent_labels_are_never_asked_for():
    known = [Label.NC, Label.GG3, Label.GG4]
    assert label_weights(3, 4, known=known)[Label.GG5] == 0
    with pytest.raises(ValueError, match="GG5"):
        label_weights(4, 5, known=known)


def test_a_shape_with_too_many_regions_is_drawn_again():
    rng = np.random.default_rng(0)
    benign = label_weights(0, 0)
    assert {draw_tile([3, 2, 1], benign, rng).shape for _ in range(20)} == {2}
    with pytest.raises(ValueError, match="every shape map"):
        draw_tile([2, 3], benign, rng)


def test_a_recipe_has_as_many_tiles_as_asked():
    rng = np.random.default_rng(1)
    sizes = {len(draw_recipe([1], label_weights(3, 3), tiles=(20, 25), rng=rng)) for _ in range(80)}
    assert sizes == set(range(20, 26))


def test_sicapv2_needs_276_sets():
    """Primary grades of the official 124 training slides, filled to 100 each."""
    assert fill_counts((30, 31, 54, 9), 100) == (70, 69, 46, 91)
    assert sum(fill_counts((30, 31, 54, 9), 100)) == 276
    assert fill_counts((3, 4, 7, 1), None) == (4, 3, 0, 6)


def _requested_fraction(weights, shapes, rng):
    """Fraction of 120 slides whose two most frequent grades, by pixels, are the requested ones."""
    right = 0
    for grade in (0, 3, 4, 5):
        for _ in range(30):
            others = [other for other in (3, 4, 5) if other != grade]
            secondary = 0 if grade == 0 else int(rng.choice(others))
            chances = label_weights(grade, secondary, weights)
            recipe = draw_recipe([len(s) for s in shapes], chances, tiles=(20, 100), rng=rng)
            pixels = np.zeros(4)
            for tile in recipe:
                pixels[list(tile.labels)] += shapes[tile.shape]
            ranked = np.argsort(-pixels[1:], kind="stable") + 3
            is_right = (
                not pixels[1:].any() if grade == 0 else (tuple(ranked[:2]) == (grade, secondary))
            )
            right += is_right
    return right / 120


def test_random_weights_give_the_requested_slides():
    """The paper's ablation: .9675 with random weights, .6775 without."""
    rng = np.random.default_rng(2404)
    shapes = [np.array([1.0])] * 11
    for _ in range(9):
        fractions = np.sort(rng.dirichlet(np.ones(rng.choice([2, 2, 3]))))[::-1]
        shapes.append(fractions)
    with_weights = _requested_fraction(PAPER_WEIGHTS, shapes, rng)
    without = _requested_fraction((0.33, 0.33, 0.0, 0.33), shapes, rng)
    assert with_weights >= 0.90
    assert without <= 0.75
