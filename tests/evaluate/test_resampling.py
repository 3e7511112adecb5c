import numpy as np
import pytest

from disc.evaluate.graders.resampling import (
    cell_weights,
    mean_weights,
    patient_weights,
    split_patients,
)


def test_draws_do_not_depend_on_the_size_of_blocks() -> None:
    strata = np.arange(30) < 7
    whole, parts = (
        np.concatenate(list(patient_weights(strata, 100, 3, block)), axis=1) for block in (None, 17)
    )
    assert whole.shape == (30, 100) and (whole == parts).all()
    assert (whole != np.concatenate(list(patient_weights(strata, 100, 4)), axis=1)).any()


def test_strata_keep_their_size_and_the_variance_of_a_mean_is_right() -> None:
    strata = np.arange(12) < 4
    (weights,) = patient_weights(strata, 20_000, 0)
    np.testing.assert_allclose(weights[strata].sum(axis=0), 4, rtol=1e-6)
    np.testing.assert_allclose(weights[~strata].sum(axis=0), 8, rtol=1e-6)
    values = np.random.default_rng(0).normal(size=4)
    means = values @ weights[strata] / 4
    assert means.var() == pytest.approx(values.var(ddof=1) / 4, rel=0.05)


def test_a_stratum_of_one_patient_is_always_drawn() -> None:
    (weights,) = patient_weights(np.arange(5) < 1, 50, 0)
    assert (weights[0] == 1).all()


def test_patients_are_split_by_the_rarest_label_that_can_vary() -> None:
    has = np.zeros((10, 4), bool)
    has[:5, 0], has[:2, 1], has[0, 2] = True, True, True
    assert split_patients(has).sum() == 2, "one patient with a label cannot vary"
    assert not split_patients(has[:, 2:]).any()


def test_seeds_are_drawn_as_a_hierarchy_and_shared_by_what_has_the_same() -> None:
    added = [(g, s, f) for g in range(3) for s in range(2) for f in ("a", "b")]
    real = [(0, s, f) for s in range(2) for f in ("a", "b")]
    drawn, of_real = cell_weights(added, 400, 0), cell_weights(real, 400, 0)
    np.testing.assert_allclose(drawn.sum(axis=0), 1, rtol=1e-6)
    table = drawn.reshape(3, 2, 2, 400)
    assert (table[:, :, 0] == table[:, :, 1]).all(), "folds are averaged"
    np.testing.assert_allclose(table.sum(axis=(0, 2)), of_real.reshape(2, 2, 400).sum(axis=1))
    of_generators = table.sum(axis=(1, 2))
    assert set(np.unique(of_generators.round(3))) == {0, 0.5, 1}
    means = np.arange(3) @ of_generators
    assert means.var() == pytest.approx(1 / 3, rel=0.2), "the variance of a mean of three"
    nested = [(g, 2 * g + s, "a") for g in range(2) for s in range(2)]
    first, second = cell_weights(nested, 400, 0).reshape(2, 2, 400)[:, 0]
    assert (first != second).any(), "grader seeds of their own are drawn on their own"


def test_one_seed_is_not_resampled_and_means_give_every_generator_the_same_weight() -> None:
    assert (cell_weights([(0, 0, "a")], 9, 0) == 1).all()
    uneven = [(0, 0, "a"), (0, 1, "a"), (1, 0, "a")]
    np.testing.assert_allclose(mean_weights(uneven)[:, 0], [0.25, 0.25, 0.5])
