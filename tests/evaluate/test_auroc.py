import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from disc.evaluate.auroc import auprc, auroc, weigh_auprc, weigh_auroc


@pytest.mark.parametrize("levels", [9, 10**6])
def test_areas_equal_scikit_learn_with_ties_and_weights(levels: int) -> None:
    rng = np.random.default_rng(levels)
    for _ in range(6):
        truth, score = rng.integers(0, 2, 80), rng.integers(0, levels, 80) / levels
        weights = rng.integers(0, 4, (5, 80)).astype(float)
        for ours, theirs in ((auroc, roc_auc_score), (auprc, average_precision_score)):
            expected = [theirs(truth, score, sample_weight=row) for row in weights]
            np.testing.assert_allclose(ours(truth, score, weights), expected)
            np.testing.assert_allclose(ours(truth, score), [theirs(truth, score)])


def test_weights_of_patients_are_those_of_their_slides() -> None:
    rng = np.random.default_rng(1)
    truth, score, owner = rng.integers(0, 2, 60), rng.random(60), rng.integers(0, 20, 60)
    weights = rng.integers(0, 3, (20, 7)).astype(np.float32)
    for weigh, plain in ((weigh_auroc, auroc), (weigh_auprc, auprc)):
        found = weigh(truth, score, owner)(weights)
        assert found.dtype == np.float32, "large draws stay in single precision"
        np.testing.assert_allclose(found, plain(truth, score, weights[owner].T), rtol=1e-5)


def test_a_label_without_positives_or_negatives_is_not_defined() -> None:
    for area in (auroc, auprc):
        assert np.isnan(area([0, 0, 0], [0.1, 0.2, 0.3])).all()
        assert np.isnan(area([1, 1], [0.1, 0.2])).all()
        lost = area([1, 0], [0.1, 0.2], np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
        assert np.isnan(lost).tolist() == [True, True, False]


def test_scores_that_are_not_numbers_are_refused() -> None:
    for area in (auroc, auprc):
        with pytest.raises(ValueError, match="1 of 3 scores are NaN"):
            area([0, 1, 1], [0.1, np.nan, 0.3])
        with pytest.raises(ValueError, match="2 of 3 labels are neither 0 nor 1"):
            area([0, np.nan, 2], [0.1, 0.2, 0.3])
