import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, cohen_kappa_score, roc_auc_score

from disc.evaluate.graders.delong import delong
from disc.evaluate.graders.kappa import quadratic_kappa
from disc.evaluate.graders.slides import auprc_table, auroc_tables, delong_errors, kappa_tables
from disc.evaluate.graders.statistics import slide_statistics
from tests.evaluate.simulated_scores import simulate_scores, true_auroc

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


def levels(scores: pd.DataFrame, draws: int = 50) -> pd.DataFrame:
    base = scores.assign(variant="real", balance_weight=0.0)
    return auroc_tables(base, draws=draws, seed=0)[0].set_index("label")


def test_table_averages_runs_and_leaves_an_empty_label_out_of_the_mean() -> None:
    runs = [configuration(0.0, 1.5, seed) for seed in (0, 1)]
    expected, precisions = (
        [
            np.mean([of(part["truth"], part["score"]) for part in parts])
            for name in LABELS[:3]
            for parts in [[run[run["label"] == name] for run in runs]]
        ]
        for of in (roc_auc_score, average_precision_score)
    )
    table = levels(pd.concat(runs), draws=200)
    np.testing.assert_allclose(table.loc[LABELS[:3], "value"], expected)
    assert np.isnan(table.loc["GG5", ["value", "low", "high", "error"]].astype(float)).all()
    assert table.loc["mean", "value"] == pytest.approx(np.mean(expected))
    assert (table.loc["GG5", "positives"], table.loc["GG5", "negatives"]) == (0, 60)
    assert (table["low"].dropna() < table["value"].dropna()).all()
    assert (table["value"].dropna() < table["high"].dropna()).all()
    areas = auprc_table(pd.concat(runs), draws=50, seed=0).set_index("label")
    np.testing.assert_allclose(areas.loc[LABELS[:3], "value"], precisions)


def test_no_interval_of_a_level_reaches_where_there_is_no_level() -> None:
    """Two seeds that differ say little, and yet no area lies below 0 or above 1."""
    runs = pd.concat([configuration(0.0, skill, seed) for seed, skill in enumerate((-3.0, 3.0))])
    found = levels(runs, draws=200)
    assert found.loc["NC", ["low", "high"]].tolist() == [0, 1]


def test_a_run_on_part_of_the_patients_counts_only_these() -> None:
    whole = configuration(0.0, 1.5, 0)
    folds = whole["patient"].str[1:].astype(int) % 2
    part = whole[whole["label"] == "NC"]
    expected = [
        roc_auc_score(half["truth"], half["score"]) for _, half in part.groupby(folds[part.index])
    ]
    found = levels(whole.assign(fold=folds)).loc["NC", "value"]
    assert found == pytest.approx(np.mean(expected))


def test_a_label_that_one_patient_has_gets_no_interval() -> None:
    scores = configuration(0.0, 1.5, 0)
    is_first = (scores["label"] == "GG5") & (scores["patient"] == "p3")
    table = levels(scores.assign(truth=scores["truth"].mask(is_first, 1)))
    assert np.isfinite(table.loc["GG5", "value"])
    assert np.isnan(table.loc["GG5", ["low", "high", "error"]].astype(float)).all()


def test_a_mean_and_a_kappa_of_one_patient_get_no_interval() -> None:
    """A slide of every label and a slide of none, of one patient."""
    scores = configuration(0.0, 1.5, 0).assign(patient="p")
    found = levels(scores)
    assert np.isfinite(found.loc["mean", "value"])
    assert np.isnan(found.loc["mean", ["low", "high", "error"]].astype(float)).all()
    grades = scores.iloc[:60].assign(label="ISUP", slide=range(60), truth=1, score=2)
    grades.loc[grades.index[:30], ["truth", "score"]] = 3
    kappa = kappa_tables(grades, draws=50, seed=0)[0]
    assert np.isfinite(kappa["value"]).all() and kappa["low"].isna().all()


def test_few_patients_on_a_side_widen_an_interval() -> None:
    """By Student's t of as many patients as the rarer side has, less one."""
    scores = simulate_scores({"real": 1.0}, 0, labels=("GG4",), per_patient=1)
    rare = scores[
        (scores["truth"] == 0)
        | (scores["slide"].isin(scores["slide"][scores["truth"] == 1].unique()[:4]))
    ]
    wide, narrow = (
        auroc_tables(part, draws=500, seed=0)[0].set_index("label") for part in (rare, scores)
    )
    errors = [
        (table["high"] - table["low"])["GG4"] / table["error"]["GG4"] for table in (wide, narrow)
    ]
    assert errors[0] > 1.2 * errors[1]


def test_a_difference_is_paired_and_that_of_a_copy_is_nothing() -> None:
    real, better = configuration(0.0, 0.5, 0), configuration(0.3, 3.0, 0)
    both, gains = auroc_tables(pd.concat([real, better]), draws=500, seed=0)
    table = gains.set_index("label")
    means = both[both["label"] == "mean"].set_index("balance_weight")["value"]
    assert table.loc["mean", "value"] == pytest.approx(means[0.3] - means[0.0])
    assert table.loc["mean", "low"] > 0 and table.loc["mean", "p"] < 0.01
    copy = real.assign(variant="sd", balance_weight=0.3)
    same = auroc_tables(pd.concat([real, copy]), draws=50, seed=0)[1].dropna(subset="value")
    assert (same[["value", "low", "high", "error"]] == 0).all(axis=None)
    assert (same["p"] == 1).all()


def test_pairing_makes_intervals_narrower() -> None:
    """The graders share the errors of slides; paired, these cancel."""
    scores = simulate_scores({"real": 1.0, "sd": 1.0}, 0, labels=("GG4",))
    both, gains = auroc_tables(scores, draws=500, seed=0)
    of_both = both[both["label"] == "GG4"]["error"]
    of_difference = gains[gains["label"] == "GG4"]["error"].item()
    assert of_difference < 0.6 * np.sqrt((of_both**2).sum())


def test_seeds_that_differ_make_intervals_wider() -> None:
    """The same scores, once by seeds that agree, once by seeds of which each has its own skill."""
    one = simulate_scores({"real": 1.0, "sd": 1.0}, 0, labels=("GG4",))
    shifted = [
        one.assign(grader_seed=seed, score=one["score"] + one["truth"] * shift)
        for seed, shift in enumerate((-0.8, 0.0, 0.8))
    ]
    alike = pd.concat([one.assign(grader_seed=seed) for seed in range(3)])
    kept = {"real": alike[alike["variant"] == "real"]}
    errors = []
    for added in (alike, pd.concat(shifted)):
        study = pd.concat([kept["real"], added[added["variant"] == "sd"]])
        gains = auroc_tables(study, draws=500, seed=0)[1].set_index("label")
        errors.append(gains.loc["GG4", "error"])
    assert errors[1] > 2 * errors[0]


def test_a_difference_needs_the_real_arm_on_the_same_slides() -> None:
    with pytest.raises(ValueError, match="0 configurations of balance weight 0"):
        auroc_tables(configuration(0.3, 1, 0), draws=5, seed=0)
    other = configuration(0.3, 1, 0).query("patient != 'p0'")
    with pytest.raises(ValueError, match="other slides or patients"):
        auroc_tables(pd.concat([configuration(0.0, 1, 0), other]), draws=5, seed=0)


def test_the_same_seed_gives_the_same_table_and_a_table_of_before_is_read() -> None:
    scores = configuration(0.0, 1, 0)
    first, again = (auroc_tables(scores, draws=50, seed=3)[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    older = scores.drop(columns=["generator_seed", "grader_seed", "fold"])
    pd.testing.assert_frame_equal(auroc_tables(older, draws=50, seed=3)[0], first)


def test_delong_agrees_with_the_bootstrap_and_holds_the_true_difference() -> None:
    skills = {"real": 1.0, "sd": 1.6}
    scores = simulate_scores(skills, 3, per_patient=1, labels=("GG4",))
    gain = slide_statistics(scores, draws=4000, seed=0)["auroc_tests"].set_index("label").loc["GG4"]
    assert gain["delong_error"] == pytest.approx(gain["error"], rel=0.08)
    truth = true_auroc(1.6) - true_auroc(1.0)
    assert abs(gain["value"] - truth) < 2 * gain["delong_error"]
    rows = scores[scores["variant"] == "sd"]
    value, _ = delong(rows["truth"], [rows["score"]], [1])
    assert value == pytest.approx(roc_auc_score(rows["truth"], rows["score"]))


def test_delong_says_nothing_where_patients_have_several_slides() -> None:
    scores = simulate_scores({"real": 1.0, "sd": 1.0}, 0, slides=40)
    assert np.isnan(delong_errors(scores, auroc_tables(scores, draws=5, seed=0)[1])).all()
    named = scores.drop_duplicates(["patient", "label", "variant"]).assign(slide="1")
    tests = auroc_tables(named, draws=5, seed=0)[1]
    assert np.isfinite(delong_errors(named, tests[tests["label"] == "GG4"])).all()
    assert np.isnan(delong([0, 0, 0], [[1, 2, 3]], [1])).all()
    assert np.isnan(delong([0, 0, 1], [[1, 2, 3]], [1])[1])
    with pytest.raises(ValueError, match="1 of 3 scores are NaN"):
        delong([0, 0, 1], [[1, 2, np.nan]], [1])


def test_kappa_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 6, (2, 80))
    score[:40] = truth[:40]
    scores = configuration(0.0, 1, 0)[:60].assign(
        label="ISUP",
        truth=truth[:60],
        score=score[:60],
        slide=[f"s{i}" for i in range(60)],
        patient=[f"p{i // 2}" for i in range(60)],
    )
    copy = scores.assign(variant="sd", balance_weight=0.3)
    found, gains = kappa_tables(pd.concat([scores, copy]), draws=200, seed=0)
    expected = cohen_kappa_score(truth[:60], score[:60], weights="quadratic")
    assert found["value"].tolist() == pytest.approx([expected] * 2)
    assert (found["low"] < expected).all() and (found["high"] > expected).all()
    assert (gains[["value", "low", "high"]] == 0).all(axis=None)
    assert kappa_tables(configuration(0.0, 1, 0), draws=5, seed=0)[0].empty
    with pytest.raises(ValueError, match=r"score: 2.5 is no ISUP grade group"):
        kappa_tables(scores.assign(score=2.5), draws=5, seed=0)
    assert np.isnan(quadratic_kappa([[[5, 0], [0, 0]]])).all()


def test_rows_that_stand_there_twice_are_refused() -> None:
    scores = configuration(0.0, 1.0, 0)
    with pytest.raises(ValueError, match=r"240 rows stand there twice, .* NC, p0, s0"):
        auroc_tables(pd.concat([scores, scores]), draws=5, seed=0)
