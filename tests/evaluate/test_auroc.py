import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from disc.evaluate.auroc import auroc, auroc_table, choose_balance_weight, gain_table

LABELS = ["NC", "GG3", "GG4", "GG5"]


def configuration(weight: float, skill: float, seed: int, split: str = "test") -> pd.DataFrame:
    """Scores of 60 slides of 30 patients by one run; GG5 has no positive."""
    truth = np.random.default_rng(7).integers(0, 2, (60, 4)) * [1, 1, 1, 0]
    noise = np.random.default_rng([seed, int(100 * weight)]).normal(0, 1, (60, 4))
    return pd.DataFrame(
        [
            {"label": label, "truth": truth[i, k], "score": skill * truth[i, k] + noise[i, k]}
            | {"slide": f"s{i}", "patient": f"p{i // 2}"}
            for i, (k, label) in itertools.product(range(60), enumerate(LABELS))
        ]
    ).assign(
        grader="transmil",
        encoder="carcino",
        variant="sd" if weight else "real",
        balance_weight=weight,
        generator_seed=0,
        grader_seed=seed,
        fold="Val1",
        split=split,
        data_set="in",
    )


def test_auroc_equals_scikit_learn_with_ties_and_weights() -> None:
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 80), rng.integers(0, 9, 80) / 9
    weights = rng.integers(0, 4, (5, 80)).astype(float)
    expected = [roc_auc_score(truth, score, sample_weight=row) for row in weights]
    np.testing.assert_allclose(auroc(truth, score, weights), expected)
    np.testing.assert_allclose(auroc(truth, score), [roc_auc_score(truth, score)])


def test_a_label_without_positives_is_not_defined() -> None:
    assert np.isnan(auroc([0, 0, 0], [0.1, 0.2, 0.3])).all()
    assert np.isnan(auroc([1, 1], [0.1, 0.2])).all()


def test_table_averages_runs_and_leaves_an_empty_label_out_of_the_mean() -> None:
    runs = [configuration(0.0, 1.5, seed) for seed in (0, 1)]
    table = auroc_table(pd.concat(runs), draws=200, seed=0).set_index("label")
    expected = [
        np.mean([roc_auc_score(run[run["label"] == name]["truth"], part) for run, part in pairs])
        for name in LABELS[:3]
        for pairs in [[(run, run[run["label"] == name]["score"]) for run in runs]]
    ]
    np.testing.assert_allclose(table.loc[LABELS[:3], "value"], expected)
    assert np.isnan(table.loc["GG5", ["value", "low", "high"]].astype(float)).all()
    assert table.loc["mean", "value"] == pytest.approx(np.mean(expected))
    assert (table.loc["GG5", "positives"], table.loc["GG5", "negatives"]) == (0, 60)
    assert (table["low"].dropna() < table["value"].dropna()).all()
    assert (table["value"].dropna() < table["high"].dropna()).all()


def test_a_run_on_part_of_the_patients_counts_only_these() -> None:
    whole = configuration(0.0, 1.5, 0)
    folds = whole["patient"].str[1:].astype(int) % 2
    table = auroc_table(whole.assign(fold=folds), draws=50, seed=0).set_index("label")
    part = whole[whole["label"] == "NC"]
    expected = [
        roc_auc_score(half["truth"], half["score"]) for _, half in part.groupby(folds[part.index])
    ]
    assert table.loc["NC", "value"] == pytest.approx(np.mean(expected))


def test_a_gain_is_paired_and_its_interval_excludes_zero_only_when_there_is_one() -> None:
    real, better = configuration(0.0, 0.5, 0), configuration(0.3, 3.0, 0)
    table = gain_table(pd.concat([real, better]), draws=500, seed=0).set_index("label")
    both = auroc_table(pd.concat([real, better]), draws=5, seed=0)
    means = both[both["label"] == "mean"].set_index("balance_weight")["value"]
    assert table.loc["mean", "value"] == pytest.approx(means[0.3] - means[0.0])
    assert table.loc["mean", "low"] > 0
    copy = real.assign(variant="sd", balance_weight=0.3)
    same = gain_table(pd.concat([real, copy]), draws=50, seed=0).dropna(subset="value")
    assert (same[["value", "low", "high"]] == 0).all(axis=None)


def test_a_gain_needs_the_real_arm_on_the_same_patients() -> None:
    with pytest.raises(ValueError, match="0 configurations of balance weight 0"):
        gain_table(configuration(0.3, 1, 0), draws=5, seed=0)
    other = configuration(0.3, 1, 0).query("patient != 'p0'")
    with pytest.raises(ValueError, match="other patients"):
        gain_table(pd.concat([configuration(0.0, 1, 0), other]), draws=5, seed=0)


def test_the_balance_weight_is_chosen_on_validation_alone() -> None:
    val = [
        configuration(0.0, 9, 0, "val"),
        configuration(0.1, 0.2, 0, "val"),
        configuration(0.3, 3, 0, "val"),
    ]
    test = [configuration(0.0, 1, 0), configuration(0.1, 9, 0), configuration(0.3, 0, 0)]
    assert choose_balance_weight(pd.concat([*val, *test])) == {"sd": 0.3}
    none = pd.concat(val).assign(truth=0)
    assert choose_balance_weight(none) == {}


def test_the_same_seed_gives_the_same_table() -> None:
    scores = configuration(0.0, 1, 0)
    first, again = (auroc_table(scores, draws=50, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
