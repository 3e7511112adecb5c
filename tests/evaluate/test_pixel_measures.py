import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score

from disc.evaluate.graders.pixels import (
    MEASURES,
    baseline_table,
    confusion_table,
    measure_confusion,
    pixel_tables,
)
from disc.evaluate.graders.statistics import pixel_statistics
from disc.grade.confusion import COUNTS


def tiles(weight: float, errors: float, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Confusion counts of 40 tiles of 20 patients, and the pixels they were counted from."""
    rng = np.random.default_rng([seed, int(100 * weight)])
    truth = np.random.default_rng(5).integers(0, 4, (40, 50))
    predicted = np.where(rng.random(truth.shape) < errors, rng.integers(0, 4, truth.shape), truth)
    counts = [
        confusion_matrix(t, p, labels=range(4)).ravel()
        for t, p in zip(truth, predicted, strict=True)
    ]
    table = pd.DataFrame(counts, columns=COUNTS).assign(
        grader="carcino",
        variant="sd" if weight else "real",
        balance_weight=weight,
        grader_seed=seed,
        data_set="in",
        split="test",
        truth_kind="annotation",
        patient=[f"p{i // 2}" for i in range(40)],
        slide=[f"s{i // 2}" for i in range(40)],
        tile=[f"t{i}" for i in range(40)],
    )
    return table, truth, predicted


def test_measures_equal_scikit_learn() -> None:
    table, truth, predicted = tiles(0.0, 0.4, 0)
    found = pixel_tables(table, draws=100, seed=0)[0].set_index(["metric", "label"])
    dice = f1_score(truth.ravel(), predicted.ravel(), average=None)
    precision = precision_score(truth.ravel(), predicted.ravel(), average=None)
    np.testing.assert_allclose(found.loc["dice", "value"], [*dice, dice.mean()])
    is_grade = predicted > 0
    overall = (truth == predicted)[is_grade].mean()
    np.testing.assert_allclose(found.loc["precision", "value"], [*precision[1:], overall])
    assert (found["low"] < found["value"]).all()
    assert (found["value"] < found["high"]).all()


def test_a_label_neither_present_nor_predicted_is_left_out() -> None:
    confusion = np.zeros((1, 4, 4))
    confusion[0, 0, 0], confusion[0, 1, 1], confusion[0, 1, 0] = 6, 2, 2
    counted = np.array([True, True, False, False])
    found = dict(zip(MEASURES, measure_confusion(confusion, counted)[0], strict=True))
    assert found["dice", "NC"] == pytest.approx(12 / 14)
    assert found["dice", "GG3"] == pytest.approx(4 / 6)
    assert np.isnan(found["dice", "GG5"])
    assert found["dice", "mean"] == pytest.approx((12 / 14 + 4 / 6) / 2)
    assert found["precision", "GG"] == 1
    assert np.isnan(found["precision", "GG4"])


def test_gain_over_real_only_is_paired() -> None:
    worse, better = tiles(0.0, 0.5, 0)[0], tiles(0.3, 0.3, 0)[0]
    gains = pixel_tables(pd.concat([worse, better]), draws=200, seed=0)[1]
    assert set(gains["variant"]) == {"sd"}
    assert (gains["low"] > 0).all()
    copy = worse.assign(variant="sd", balance_weight=0.3)
    same = pixel_tables(pd.concat([worse, copy]), draws=20, seed=0)[1]
    assert (same[["value", "low", "high"]] == 0).all(axis=None) and (same["p"] == 1).all()


def test_runs_are_averaged() -> None:
    parts = [tiles(0.0, errors, seed)[0] for seed, errors in enumerate((0.1, 0.6))]
    single = [pixel_tables(part, draws=5, seed=0)[0]["value"].to_numpy() for part in parts]
    both = pixel_tables(pd.concat(parts), draws=5, seed=0)[0]["value"].to_numpy()
    np.testing.assert_allclose(both, np.mean(single, axis=0))


def test_the_chance_of_a_baseline_is_that_of_shuffled_predictions() -> None:
    table, truth, predicted = tiles(0.0, 0.4, 0)
    rng, chances = np.random.default_rng(0), []
    for _ in range(200):
        guess = rng.permutation(predicted.ravel())
        chances.append(f1_score(truth.ravel(), guess, average=None))
    found = baseline_table(table).set_index("label")
    np.testing.assert_allclose(found["chance"], np.mean(chances, axis=0), atol=0.01)
    dice = f1_score(truth.ravel(), predicted.ravel(), average=None)
    np.testing.assert_allclose(found["dice"], dice)
    assert found["is_learnt"].all()


def test_guesses_and_a_label_never_predicted_are_not_learnt() -> None:
    """All errors: a guess is right by chance alone. A frequent label has high Dice even so."""
    guessed, truth, _ = tiles(0.0, 1.0, 0)
    assert not baseline_table(guessed)["is_learnt"].any()
    constant = guessed.assign(**dict.fromkeys(COUNTS, 0))
    for label, name in enumerate(("NC", "GG3", "GG4", "GG5")):
        constant[f"n_{name}_NC"] = (truth == label).sum(axis=1) * (10 if label == 0 else 1)
    found = baseline_table(constant).set_index("label")
    assert found.loc["NC", "dice"] > 0.8 and not found["is_learnt"].any()
    assert found.loc[["GG3", "GG4", "GG5"], "dice"].tolist() == [0, 0, 0]


def test_only_graders_of_real_tiles_are_baselines() -> None:
    real, added = tiles(0.0, 0.2, 0)[0], tiles(0.3, 1.0, 0)[0]
    both = pd.concat([real, added], ignore_index=True)
    pd.testing.assert_frame_equal(baseline_table(both), baseline_table(real))


def test_confusion_adds_up_to_the_pixels_of_a_truth() -> None:
    table, truth, predicted = tiles(0.0, 0.4, 0)
    found = confusion_table(table).pivot(index="truth", columns="predicted", values="fraction")
    names = ["NC", "GG3", "GG4", "GG5"]
    expected = confusion_matrix(truth.ravel(), predicted.ravel(), normalize="true")
    np.testing.assert_allclose(found.loc[names, names], expected)


def test_a_label_that_no_tile_has_is_undefined_and_no_test() -> None:
    """Also where it is predicted: its Dice is 0 whatever the grader."""
    absent = COUNTS[-4:]  # truth GG5
    parts = []
    for weight, errors in ((0.0, 0.3), (0.3, 0.2)):
        table = tiles(weight, errors, 0)[0]
        parts += [table.assign(**dict.fromkeys(absent, 0), split=name) for name in ("test", "val")]
    found = pixel_statistics(pd.concat(parts), draws=100, seed=0)["dice_tests"].set_index("label")
    assert found.loc["GG5", "verdict"] == "undefined" and np.isnan(found.loc["GG5", "p_holm"])
    assert np.isfinite(found.loc["GG4", "p_holm"])


def test_verdicts_on_pixel_graders() -> None:
    """The weight with the best Dice on validation counts, and only what the baseline has learnt."""
    parts = []
    for weight, errors in ((0.0, 0.5), (0.1, 0.5), (0.3, 0.2)):
        test = pd.concat([tiles(weight, errors, seed)[0] for seed in (0, 1)])
        parts += [test, test.assign(split="val")]
    found = pixel_statistics(pd.concat(parts), draws=400, seed=0)
    assert found["dice_chosen"]["balance_weight"].tolist() == [0.3]
    tests = found["dice_tests"]
    assert len(tests) == 4 and set(tests["verdict"]) == {"helps"}
    for failed in ((1.0, 1.0), (0.5, 1.0)):  # both trainings, and one of the two
        parts[0] = pd.concat([tiles(0.0, errors, seed)[0] for seed, errors in enumerate(failed)])
        tests = pixel_statistics(pd.concat(parts), draws=400, seed=0)["dice_tests"]
        assert (tests["value"] > 0.1).all()
        assert set(tests["verdict"]) == {"baseline not trained"}


def test_few_patients_tell_little() -> None:
    """A gain in one patient has no interval; of three there are two degrees of freedom."""
    table = pd.concat([tiles(0.0, 0.5, 0)[0], tiles(0.3, 0.2, 0)[0]])
    table = pd.concat([table.assign(split=name) for name in ("test", "val")])
    table = pd.concat([table.assign(grader_seed=seed) for seed in (0, 1)])
    for num in (1, 3, 20):
        some = table[table["patient"].isin([f"p{i}" for i in range(num)])]
        tests = pixel_statistics(some, draws=400, seed=0)["dice_tests"]
        if num == 1:
            assert tests["low"].isna().all() and set(tests["verdict"]) == {"undefined"}
        else:
            np.testing.assert_allclose(tests["freedom"], num - 1)
    assert set(tests["verdict"]) == {"helps"}


def test_a_set_of_one_label_that_is_read_without_a_fault_shows_nothing_learnt() -> None:
    """Chance is 1 there, and leaves no room."""
    table = tiles(0.0, 0.3, 0)[0].assign(**dict.fromkeys(COUNTS, 0))
    (row,) = baseline_table(table.assign(**{COUNTS[0]: 50})).itertuples()
    assert (row.label, row.dice, row.chance, row.is_learnt) == ("NC", 1, 1, False)
