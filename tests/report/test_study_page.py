"""The page of a study, from simulated scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from disc.evaluate.graders.folds import fold_table
from disc.report.graders.attention import AttentionSheet
from disc.report.study.figures import _bins, _mark, _roc, _style
from disc.report.study.page import write_study_page
from disc.report.study.summary import StudySummary
from disc.settings.denoiser import CONDITIONS
from disc.study.conduct import join
from tests.evaluate.simulated_scores import simulate_scores

LABELS = ("NC", "GG5")
DASH = "\N{EN DASH}"


@pytest.mark.parametrize("labels", [("NC", "GG5")])
def test_a_study_without_pixel_graders_has_a_page(tmp_path: Path, labels: tuple[str, ...]) -> None:
    skills = {"real": 1.2, "sd": 2.4, "sd-shuffled": 0.0}
    scores = simulate_scores(skills, 0, slides=60, labels=labels)
    scores["score"] = 1 / (1 + np.exp(-scores["score"]))
    groups = scores[scores["label"] == "GG5"].copy()
    groups = groups.assign(label="ISUP", score=5.0 * (groups["score"] > 0.5))
    groups["truth"] *= 5
    scores = pd.concat([scores, groups])
    shares = pd.DataFrame({"slide": "a", "tile": range(4), "attention": [0.1, 0.2, 0.6, 0.1]})
    tiles = list(np.zeros((4, 8, 8, 3), np.uint8))
    summary = StudySummary(
        title="disc study: s",
        facts={"Runs": "a"},
        is_simulated=True,
        scores=scores,
        pixels=pd.DataFrame(),
        probe=pd.DataFrame(),
        recipe_weights=pd.DataFrame(
            {"weights": ["random"], "primary": [3], "right": [9], "slides": [10], "share": [0.9]}
        ),
        draws=100,
        attention=[AttentionSheet(name="transmil", slides=[("a", tiles)], table=shares)],
        controls={"shuffled": "Labels of each other."},
    )
    page = write_study_page(tmp_path, summary).read_text()
    assert "no pixel grader was trained" in page and "90.0%" in page
    assert "more tiles a step" not in page
    assert "quadratic weighted kappa" in page and "What slide graders look at" in page
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "attention_transmil.png",
        *(f"slides_{kind}_transmil_embedded_in.png" for kind in ("curves", "roc", "calibration")),
    }
    tests = pd.read_csv(tmp_path / "auroc_tests.csv")
    assert {*tests["variant"]} == {"sd", "sd-shuffled"}


@pytest.fixture(scope="module")
def folds() -> list[pd.DataFrame]:
    """Scores of validation and test slides of two folds, which share the latter."""
    parts = []
    for fold in ("Val1", "Val2"):
        for split in ("val", "test"):
            seed = len(parts) if split == "val" else 1
            scores = simulate_scores({"real": 1.2, "sd": 2.4}, seed, slides=40, labels=LABELS)
            own = scores["slide"].astype(str) + (fold if split == "val" else "")
            parts.append(scores.assign(fold=fold, split=split, slide=own, patient=own))
    return parts


def test_folds_stand_on_the_page_one_by_one_and_out_of_fold(
    tmp_path: Path, folds: list[pd.DataFrame]
) -> None:
    weights = {"weights": ["random"], "primary": [3], "right": [9], "slides": [10], "share": [0.9]}
    summary = StudySummary(
        title="s",
        facts={},
        is_simulated=True,
        scores=join(folds),
        pixels=pd.DataFrame(),
        probe=pd.DataFrame(),
        recipe_weights=pd.DataFrame(weights),
        draws=50,
    )
    page = write_study_page(tmp_path, summary).read_text()
    assert "validation slides of all, out of fold</th>" in page and "Val2</th>" in page
    assert (tmp_path / "folds.csv").exists() and f"validation {DASH}" not in page
    bare = replace(summary, scores=join([*folds[:2], folds[3]]))
    assert f"validation {DASH}" in write_study_page(tmp_path / "bare", bare).read_text()


def test_folds_are_measured_each_on_its_own_slides(folds: list[pd.DataFrame]) -> None:
    table = fold_table(join(folds))
    pooled = table[(table["split"] == "out-of-fold") & (table["label"] == "GG5")]
    assert (pooled["positives"] + pooled["negatives"] == 80).all() and {*pooled["fold"]} == {"all"}
    rows = folds[2][(folds[2]["label"] == "GG5") & (folds[2]["variant"] == "sd")]
    found = table.set_index(["variant", "split", "fold", "label"])["value"]
    expected = roc_auc_score(rows["truth"], rows["score"])
    assert found["sd", "val", "Val2", "GG5"] == pytest.approx(expected)
    assert fold_table(join(folds[:2])).empty and fold_table(join([])).empty


def test_a_mean_of_a_fold_is_over_the_labels_that_all_folds_have(folds: list[pd.DataFrame]) -> None:
    lacking = folds[2][folds[2]["label"] != "GG5"]
    table = fold_table(join([*folds[:2], lacking, folds[3]]))
    found = table.set_index(["variant", "split", "fold", "label"])["value"]
    mean, nc, gg5 = (found["real", "val", "Val1", name] for name in ("mean", "NC", "GG5"))
    assert mean == nc != gg5


def test_a_fold_that_saw_its_validation_slides_is_not_out_of_fold(
    folds: list[pd.DataFrame],
) -> None:
    """The paper's fold All learns from those of Val1: pooled with it they stood there twice."""
    every = [part.assign(fold="All") for part in folds[:2]]
    table = join([*folds, *every], {"All"})
    pooled = table[table["split"] == "out-of-fold"]
    assert len(pooled) == len(folds[0]) + len(folds[2])
    assert not (join([*folds[:2], *every], {"All"})["split"] == "out-of-fold").any()


def test_a_roc_rises_at_ties_together_and_its_area_is_the_auroc() -> None:
    run = pd.DataFrame({"truth": [0, 1, 1, 0], "score": [0.1, 0.5, 0.9, 0.5]})
    false, true = _roc(run)
    assert false.tolist() == [0, 0, 0.5, 1] and true.tolist() == [0, 0.5, 1, 1]
    assert np.trapezoid(true, false) == pytest.approx(0.875)


def test_calibration_is_the_mean_score_and_the_fraction_of_positives() -> None:
    said, seen = _bins(pd.DataFrame({"truth": [0, 1, 1], "score": [0.1, 0.0, 1.0]}))
    assert said == [0.05, 1.0] and seen == [0.5, 1.0]


def test_conditions_of_a_variant_are_told_apart_in_charts() -> None:
    """They have its colour, so dash and marker are all that tells them."""
    names = ["sd", *(f"sd ({condition})" for condition in CONDITIONS)]
    assert len({_style(name) for name in names}) == len({_mark(name) for name in names}) == 7
