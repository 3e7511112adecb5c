import numpy as np
import pytest

from disc.evaluate.bootstrap import mean_interval
from disc.evaluate.trainings import (
    training_weights,
    trainings_bootstrap,
    trainings_difference,
    trainings_interval,
)

SLIDES = np.repeat(np.arange(40), 5)


def simulate(seed: int, trainings: int, between: float, slide: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, slide, 40)[SLIDES] + rng.normal(0, between, (trainings, 1))
    return values + rng.normal(0, 0.3, (trainings, len(SLIDES)))


def test_one_training_has_the_interval_over_slides() -> None:
    values = simulate(0, 1, 0.0)
    found = trainings_interval(values, SLIDES, draws=500, seed=3)
    alone = mean_interval(values[0], SLIDES, draws=500, seed=3)
    assert (found.value, found.low, found.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )
    assert (found.masks, found.slides) == (200, 40)


def test_the_width_is_that_of_both_variances_added_up() -> None:
    """Five trainings that differ much, slides that differ little: the standard error by hand."""
    offsets = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    values = offsets[:, None] + np.zeros(len(SLIDES))
    found = trainings_interval(values, SLIDES, draws=20000, seed=0)
    error = offsets.std(ddof=1) / np.sqrt(5)
    weights = training_weights(5, 20000, 0)
    drawn = (weights @ offsets) / weights.sum(axis=1)
    assert drawn.std() == pytest.approx(error, rel=0.02)
    assert found.high - found.value == pytest.approx(1.96 * error, rel=0.2)
    assert found.value == pytest.approx(0, abs=1e-12)


def test_it_covers_the_truth_where_slides_alone_would_not() -> None:
    both, slides_alone = 0, 0
    for trial in range(150):
        values = simulate(trial, 5, 0.4)
        found = trainings_interval(values, SLIDES, draws=300, seed=trial)
        alone = mean_interval(values.mean(axis=0), SLIDES, draws=300, seed=trial)
        both += found.low <= 0 <= found.high
        slides_alone += alone.low <= 0 <= alone.high
    assert both / 150 > 0.85
    assert slides_alone / 150 < 0.7


def test_pairing_takes_out_what_trainings_and_slides_have_in_common() -> None:
    values = simulate(1, 3, 0.5)
    better = values + np.random.default_rng(2).normal(0.05, 0.05, values.shape)
    found = trainings_difference(better, values, SLIDES, draws=500, seed=0)
    alone = trainings_interval(values, SLIDES, draws=500, seed=0)
    assert 0 < found.low < found.value < found.high < 0.1
    assert alone.high - alone.low > 10 * (found.high - found.low)
    same = trainings_difference(values, values, SLIDES, draws=50, seed=0)
    assert same.value == same.low == same.high == 0


def test_a_mask_that_one_training_lacks_counts_in_the_others() -> None:
    values = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 8.0]])
    found = trainings_interval(values, list("abc"), draws=100, seed=0)
    assert found.value == pytest.approx((1.5 + 5.0) / 2)
    assert found.by_training == pytest.approx((1.5, 5.0))
    assert np.isfinite([found.low, found.high]).all()


def test_one_slide_has_no_interval() -> None:
    found = trainings_interval([[1.0, 2.0], [3.0, 2.0]], ["a", "a"], draws=100, seed=0)
    assert found.value == 2
    assert np.isnan([found.low, found.high]).all()


def test_any_statistic_of_slides_may_be_averaged_over_trainings() -> None:
    values = simulate(4, 3, 0.2)
    sums = [np.bincount(SLIDES, row) for row in values]
    counts = np.bincount(SLIDES)
    means = [lambda w, s=s: np.stack([(w @ s) / (w @ counts), w @ s], axis=1) for s in sums]
    value, low, high = trainings_bootstrap(means, 40, draws=300, seed=0)
    expected = trainings_interval(values, SLIDES, draws=300, seed=0)
    assert (value[0], low[0], high[0]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert value[1] == pytest.approx(values.sum(axis=1).mean())
