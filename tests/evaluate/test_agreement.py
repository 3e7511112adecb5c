import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from disc.evaluate.agreement import (
    ACCURACY,
    FRACTIONS,
    RECALLS,
    agreement_table,
    difference_table,
    label_fractions,
    label_table,
    mean_recall,
    measure_tiles,
    pixel_accuracy,
    recalls,
    share_table,
    tile_agreement,
)


def rows(variant: str, values: np.ndarray, plan: str = "end") -> pd.DataFrame:
    """Tiles of 10 slides, in turn one label (GG3) and two labels (NC, GG5)."""
    count = len(values)
    table = pd.DataFrame(np.nan, index=range(count), columns=RECALLS)
    one = np.arange(count) % 2 == 0
    table.loc[one, "recall_GG3"] = values[one]
    table.loc[~one, "recall_NC"] = values[~one] + 0.1
    table.loc[~one, "recall_GG5"] = values[~one] - 0.1
    slides = [f"s{i % 10}" for i in range(count)]
    fractions = np.where(table.notna(), 0.5, 0.0)
    table = table.assign(**dict(zip(FRACTIONS, fractions.T, strict=True)))
    names = {"variant": variant, "plan": plan, "solver": "ddim", "seed": 0}
    return table.assign(**names, tile=[f"t{i}" for i in range(count)], source_slide=slides)


def test_recalls_against_counting_by_hand() -> None:
    truth = np.array([[[0, 0, 1, 255], [3, 3, 3, 3]]], np.uint8)
    predicted = np.array([[[0, 1, 1, 2], [3, 3, 3, 0]]], np.uint8)
    found = recalls(truth, predicted)
    np.testing.assert_array_equal(found, [[0.5, 1.0, np.nan, 0.75]])


def test_a_perfect_and_a_wrong_reading() -> None:
    truth = np.random.default_rng(0).integers(0, 4, (5, 8, 8)).astype(np.uint8)
    assert (recalls(truth, truth) == 1).all()
    assert (recalls(truth, (truth + 1) % 4) == 0).all()


def test_agreement_is_the_mean_over_tiles_of_the_mean_over_labels_asked() -> None:
    values = np.random.default_rng(1).uniform(0.4, 0.8, 40)
    table = rows("sd", values)
    np.testing.assert_allclose(tile_agreement(table), values)
    found = agreement_table(table, "agreement", draws=200, seed=0).set_index("kind")
    assert found.loc["single-class", "value"] == pytest.approx(values[::2].mean())
    assert found.loc["multi-class", "value"] == pytest.approx(values[1::2].mean())
    assert (found["low"] < found["value"]).all()
    assert (found["value"] < found["high"]).all()
    assert found["tiles"].tolist() == [20, 20]
    assert found["slides"].tolist() == [5, 5]


def test_pairing_finds_a_small_difference_that_separate_intervals_hide() -> None:
    rng = np.random.default_rng(2)
    values = rng.uniform(0.2, 0.8, 200)
    better = values + rng.normal(0.02, 0.02, 200)
    table = pd.concat([rows("sd", values), rows("sd-sc", better)], ignore_index=True)
    shuffled = table.sample(frac=1, random_state=0)
    paired = difference_table(shuffled, draws=500, seed=0).set_index("kind")
    assert set(paired["variant"]) == {"sd-sc"}
    assert paired.loc["multi-class", "value"] == pytest.approx((better - values)[1::2].mean())
    assert (paired["low"] > 0).all()
    alone = agreement_table(table, draws=500, seed=0).set_index(["kind", "variant"])
    assert alone.loc[("single-class", "sd"), "high"] > alone.loc[("single-class", "sd-sc"), "low"]


def test_a_variant_does_not_differ_from_its_copy() -> None:
    values = np.random.default_rng(3).uniform(0, 1, 30)
    table = pd.concat([rows("sd", values), rows("copy", values)])
    found = difference_table(table, draws=50, seed=0)
    assert (found[["value", "low", "high"]] == 0).all(axis=None)


def test_label_table_counts_only_tiles_that_ask_for_the_label() -> None:
    values = np.full(20, 0.5)
    found = label_table(rows("sd", values), draws=50, seed=0).set_index(["kind", "label"])
    assert found.loc[("single-class", "GG3"), "value"] == 0.5
    assert found.loc[("multi-class", "NC"), "value"] == pytest.approx(0.6)
    assert found.loc[("multi-class", "GG4"), "tiles"] == 0
    assert np.isnan(found.loc[("multi-class", "GG4"), "value"])


def test_two_plans_of_one_variant_are_not_mixed() -> None:
    values = np.full(4, 0.5)
    table = pd.concat([rows("sd-sc", values), rows("sd-sc", values, plan="late")])
    with pytest.raises(ValueError, match="several values of 'plan'"):
        agreement_table(table, draws=10, seed=0)


def test_the_kept_fraction_of_a_gain() -> None:
    """Twice, half and none of a teacher's gain; the interval holds the noise of pairs alone."""
    rng = np.random.default_rng(4)
    values = rng.uniform(0.2, 0.8, 200)
    gain = rng.uniform(0.05, 0.15, 200)
    student = values + gain / 2 + rng.normal(0, 0.02, 200)
    known = {"sd": values, "sd-sc": values + gain, "sd-disc": student, "twice": values + 2 * gain}
    table = pd.concat([rows(name, one) for name, one in known.items()], ignore_index=True)
    shuffled = table.sample(frac=1, random_state=0)
    found = share_table(shuffled, draws=500, seed=0).set_index(["kind", "variant"])
    multi = found.loc["multi-class"]
    expected = (student - values)[1::2].mean() / gain[1::2].mean()
    assert multi.loc["sd-disc", "value"] == pytest.approx(expected)
    assert multi.loc["sd-disc", "low"] < 0.5 < multi.loc["sd-disc", "high"]
    assert multi.loc["twice", ["value", "low", "high"]].tolist() == pytest.approx([2, 2, 2])
    assert multi.loc["sd-disc", ["tiles", "slides"]].tolist() == [100, 5]


def test_without_a_teacher_nothing_is_kept() -> None:
    values = np.full(20, 0.5)
    table = pd.concat([rows("sd", values), rows("sd-disc", values)], ignore_index=True)
    assert share_table(table, draws=50, seed=0).empty


def test_accuracy_and_fractions_against_scikit_learn_and_counting() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = (rng.integers(0, 4, (6, 8, 8)).astype(np.uint8) for _ in range(2))
    expected = [accuracy_score(t.ravel(), p.ravel()) for t, p in zip(truth, predicted, strict=True)]
    np.testing.assert_allclose(pixel_accuracy(truth, predicted), expected)
    counts = [np.bincount(t.ravel(), minlength=4) / 64 for t in truth]
    np.testing.assert_allclose(label_fractions(truth), counts)
    half = truth.copy()
    half[:, :4] = 255
    np.testing.assert_allclose(
        pixel_accuracy(half, predicted), pixel_accuracy(half[:, 4:], predicted[:, 4:])
    )
    assert np.isnan(pixel_accuracy(np.full_like(truth, 255), predicted)).all()


def test_the_primary_measure_leaves_out_what_nobody_can_read() -> None:
    """4 of 100 pixels are GG3 and read wrong; 5 of 100 GG4 and read right."""
    truth = np.zeros((1, 10, 10), np.uint8)
    truth[0, 0, :4], truth[0, 1, :5] = 1, 2
    predicted = np.where(truth == 2, 2, 0).astype(np.uint8)
    recall, fraction = recalls(truth, predicted), label_fractions(truth)
    assert mean_recall(recall, fraction).tolist() == [1.0]
    assert mean_recall(recall, fraction, 0).tolist() == pytest.approx([2 / 3])
    assert np.isnan(mean_recall(recall, fraction, 1.0)).all()


def test_tables_of_each_measure() -> None:
    truth = np.random.default_rng(0).integers(0, 3, (20, 8, 8)).astype(np.uint8)
    predicted = np.where(np.random.default_rng(1).random(truth.shape) < 0.3, 3, truth)
    columns = measure_tiles(truth, predicted.astype(np.uint8))
    assert set(columns) == {*RECALLS, *FRACTIONS, ACCURACY}
    names = {"variant": "sd", "plan": "plain", "solver": "ddim", "seed": 0}
    slides = [f"s{i % 5}" for i in range(20)]
    table = pd.DataFrame(columns).assign(**names, tile=range(20), source_slide=slides)
    found = {
        measure: agreement_table(table, measure, draws=50, seed=0)["value"][0]
        for measure in ("primary", "agreement", "accuracy")
    }
    assert found["accuracy"] == pytest.approx((truth == predicted).mean())
    assert found["primary"] == pytest.approx(found["agreement"])  # no label is that small
    with pytest.raises(ValueError, match="no measure 'primary'"):
        agreement_table(table.drop(columns=FRACTIONS), "primary", draws=10, seed=0)


def test_masks_of_synthesis_are_a_kind_of_their_own() -> None:
    """Those of several labels and of one alike; tables of before have none of them."""
    values = np.random.default_rng(0).uniform(0.4, 0.8, 60)
    table = rows("sd", values)
    asked = table.assign(masks=["synthesis" if i >= 30 else "test slides" for i in range(60)])
    found = agreement_table(asked, draws=50, seed=0).set_index("kind")["value"]
    assert found["synthesis"] == pytest.approx(values[30:].mean())
    assert found["multi-class"] == pytest.approx(values[1:30:2].mean())
    assert set(agreement_table(table, draws=50, seed=0)["kind"]) == {"single-class", "multi-class"}


def test_a_tile_that_hardly_anything_is_asked_of_has_no_primary_measure() -> None:
    table = rows("sd", np.full(20, 0.5))
    table.loc[1, FRACTIONS] = 0.01
    found = agreement_table(table, draws=50, seed=0).set_index("kind")
    assert found["tiles"].to_dict() == {"single-class": 10, "multi-class": 9}
    assert found["value"].tolist() == pytest.approx([0.5, 0.5])
