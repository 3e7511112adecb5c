import numpy as np
import pytest

from disc.evaluate.bootstrap import cluster_bootstrap, cluster_weights, mean_interval


def test_mean_interval_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = mean_interval(values, np.arange(400), draws=4000, seed=1)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)
    assert (found.n, found.clusters) == (400, 400)


def test_interval_covers_the_truth_where_a_tile_bootstrap_would_not() -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(30), 10)
    clustered, naive = 0, 0
    for trial in range(200):
        values = rng.normal(0, 1, 30)[clusters] + rng.normal(0, 0.3, 300)
        by_cluster = mean_interval(values, clusters, draws=300, seed=trial)
        by_tile = mean_interval(values, np.arange(300), draws=300, seed=trial)
        clustered += by_cluster.low <= 0 <= by_cluster.high
        naive += by_tile.low <= 0 <= by_tile.high
    assert 0.88 <= clustered / 200 <= 0.99
    assert naive / 200 < 0.65


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = mean_interval([0.5] * 6, list("aabbcc"), draws=100, seed=0)
    assert found.value == found.low == found.high == 0.5


def test_one_cluster_has_no_interval_and_nothing_has_no_value() -> None:
    one = mean_interval([1.0, 2.0], ["a", "a"], draws=100, seed=0)
    assert one.value == 1.5
    assert np.isnan([one.low, one.high]).all()
    none = mean_interval([], [], draws=100, seed=0)
    assert np.isnan(none.value)
    assert none.n == 0


def test_not_finite_values_are_refused() -> None:
    with pytest.raises(ValueError, match="1 of 2 values"):
        mean_interval([1.0, np.nan], ["a", "b"], draws=10, seed=0)


def test_draws_depend_on_the_seed_alone() -> None:
    assert (cluster_weights(7, 50, 3) == cluster_weights(7, 50, 3)).all()
    assert (cluster_weights(7, 50, 3) != cluster_weights(7, 50, 4)).any()
    assert (cluster_weights(7, 50, 3).sum(axis=1) == 7).all()


def test_undefined_draws_do_not_enter_the_interval() -> None:
    def first_if_drawn(weights: np.ndarray) -> np.ndarray:
        return np.where(weights[:, :1] > 0, 5.0, np.nan)

    value, low, high = cluster_bootstrap(first_if_drawn, 3, draws=200, seed=0)
    assert value[0] == low[0] == high[0] == 5.0
