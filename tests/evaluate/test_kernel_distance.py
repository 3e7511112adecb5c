import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics.pairwise import polynomial_kernel

from disc.evaluate.kernel_distance import (
    FeatureSet,
    kernel,
    kernel_distance,
    kernel_distances,
    match_labels,
    standardise,
)


def features(num: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (num, 6))


def brute_force(one: np.ndarray, other: np.ndarray) -> float:
    """Pair by pair, as the definition has it."""

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def inner(part: np.ndarray) -> float:
        pairs = [(i, j) for i in range(len(part)) for j in range(len(part)) if i != j]
        return sum(k(part[i], part[j]) for i, j in pairs) / len(pairs)

    return inner(one) + inner(other) - 2 * float(np.mean([k(x, y) for x in one for y in other]))


def test_the_kernel_is_that_of_scikit_learn() -> None:
    one, other = features(5), features(4, seed=1)
    np.testing.assert_allclose(kernel(one, other), polynomial_kernel(one, other, degree=3))


def test_the_distance_is_the_sum_over_pairs() -> None:
    one, other = features(9), features(7, 0.5, seed=1)
    assert kernel_distance(one, other) == pytest.approx(brute_force(one, other), rel=1e-12)


def test_samples_of_one_distribution_are_nothing_apart_on_average() -> None:
    found = [kernel_distance(features(20, seed=i), features(20, seed=900 + i)) for i in range(300)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300)
    assert np.min(found) < 0


def test_values_of_sets_are_their_distances_and_slides_that_are_alone_change_nothing() -> None:
    real = FeatureSet(features(12, seed=2), [f"r{i // 3}" for i in range(12)])
    sets = {
        name: FeatureSet(features(10, shift, seed=3), [f"g{i // 2}" for i in range(10)])
        for name, shift in (("near", 0.1), ("far", 1.0))
    }
    found = kernel_distances(sets, real, draws=300, seed=0)
    expected = [kernel_distance(part.features, real.features) for part in sets.values()]
    np.testing.assert_allclose(found.value, expected)
    np.testing.assert_allclose(found.gain, np.array(expected) - expected[0])
    assert found.gain_low[0] == found.gain_high[0] == 0
    assert found.gain_low[1] > 0
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()


def test_a_draw_is_the_distance_of_the_drawn_slides_as_slides_of_their_own(monkeypatch) -> None:
    """Slide a twice, b never: tiles of the two copies of a are not compared with each other."""
    weights = np.array([[2.0, 0.0, 1.0]])
    monkeypatch.setattr("disc.evaluate.bootstrap.cluster_weights", lambda num, draws, seed: weights)
    one, real = features(6), features(6, 0.3, seed=1)
    slides = list("aabbcc")
    sets = {"one": FeatureSet(one, slides)}
    found = kernel_distances(sets, FeatureSet(real, slides), draws=1, seed=0)
    rows, copies = [0, 1, 0, 1, 4, 5], [0, 0, 1, 1, 2, 2]

    def inner(part: np.ndarray) -> float:
        products, copy = kernel(part[rows], part[rows]), np.array(copies)
        same_tile = np.equal.outer(rows, rows)
        other_copy = np.array(slides)[rows][:, None] == np.array(slides)[rows]
        kept = ~(other_copy & (copy[:, None] != copy)) & ~same_tile
        return float(products[kept].mean())

    expected = inner(one) + inner(real) - 2 * kernel(one[rows], real[rows]).mean()
    assert found.low[0] == pytest.approx(expected) == found.high[0]


def test_the_interval_covers_the_distance_between_populations_of_slides() -> None:
    trials = []
    for trial in range(80):
        rng = np.random.default_rng(trial)
        parts = []
        for name in "xy":
            offsets = rng.normal(0.8 if name == "x" else 0, 0.7, (20, 1, 6))
            values = (offsets + rng.normal(0, 1, (20, 4, 6))).reshape(80, 6)
            parts.append(FeatureSet(values, [f"{name}{i // 4}" for i in range(80)]))
        found = kernel_distances({"x": parts[0]}, parts[1], draws=200, seed=trial)
        trials.append((found.value[0], found.low[0], found.high[0]))
    values, low, high = np.array(trials).T
    assert 0.85 <= ((low <= values.mean()) & (values.mean() <= high)).mean() <= 0.99


def test_blur_raises_it() -> None:
    """Features: mean, and size of the steps between neighbours, of noisy pictures."""
    pictures = np.random.default_rng(0).normal(size=(120, 16, 16))
    blurred = np.stack([ndimage.gaussian_filter(p, 1) for p in pictures[:60]])

    def describe(part: np.ndarray) -> np.ndarray:
        return np.stack([part.mean(axis=(1, 2)), np.abs(np.diff(part)).mean(axis=(1, 2))], axis=1)

    real = describe(pictures[60:])
    one, other = (standardise(describe(part), real) for part in (pictures[:60], blurred))
    reference = standardise(real, real)
    assert kernel_distance(other, reference) > 10 * abs(kernel_distance(one, reference)) + 1


def test_standardised_features_do_not_know_their_units() -> None:
    one, real = features(10), features(30, 2.0, seed=1)
    constant = np.full((30, 1), 3.0)
    plain = standardise(one, real)
    scaled = standardise(np.c_[100 * one + 7, constant[:10]], np.c_[100 * real + 7, constant])
    np.testing.assert_allclose(plain, scaled)
    np.testing.assert_allclose(standardise(real, real).std(axis=0), 1)


def test_a_channel_that_hardly_varies_is_left_out() -> None:
    real = np.c_[features(30, 2.0, seed=1), 1e-6 * features(30)[:, :1]]
    one = np.c_[features(10), np.ones((10, 1))]
    np.testing.assert_allclose(standardise(one, real), standardise(one[:, :-1], real[:, :-1]))


def test_each_mask_finds_the_tile_with_its_labels() -> None:
    real = np.array([[1, 0, 0, 0], [0, 0, 0.5, 0.5], [0.3, 0.7, 0, 0], [0.25, 0.75, 0, 0]])
    rows, columns, apart = match_labels(real[[3, 1]], real)
    assert (rows.tolist(), columns.tolist(), apart) == ([0, 1], [3, 1], 0.0)
    twice = np.array([[1.0, 0, 0, 0]] * 2)
    rows, columns, apart = match_labels(twice, real)
    assert set(columns) == {0, 2}
    assert apart == pytest.approx(0.35)
    assert len(match_labels(np.repeat(real, 2, axis=0), real)[0]) == 4


def test_features_without_a_slide_each_are_refused() -> None:
    with pytest.raises(ValueError, match="3 tiles, slides of 2"):
        FeatureSet(features(3), ["a", "b"])
