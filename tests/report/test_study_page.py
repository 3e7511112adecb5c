"""The page of a study, from simulated scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from disc.report.graders.attention import AttentionSheet
from disc.report.study.figures import _bins, _roc
from disc.report.study.page import write_study_page
from disc.report.study.summary import StudySummary
from disc.study.conduct import join
from tests.evaluate.simulated_scores import simulate_scores


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


def test_folds_stand_on_the_page_one_by_one_and_out_of_fold(tmp_path: Path) -> None:
    skills = {"real": 1.2, "sd": 2.4}
    parts = []
    for fold in ("Val1", "Val2"):
        for split in ("val", "test"):
            scores = simulate_scores(skills, len(parts), slides=40, labels=("NC", "GG5"))
            own = scores["slide"].astype(str) + (fold if split == "val" else "")
            parts.append(scores.assign(fold=fold, split=split, slide=own, patient=own))
    test = parts[1][["truth", "slide", "patient"]].to_numpy()
    parts[3][["truth", "slide", "patient"]] = test  # one test set for all
    summary = StudySummary(
        title="s",
        facts={},
        is_simulated=True,
        scores=join(parts),
        pixels=pd.DataFrame(),
        probe=pd.DataFrame(),
        recipe_weights=pd.DataFrame(
            {"weights": ["random"], "primary": [3], "right": [9], "slides": [10], "share": [0.9]}
        ),
        draws=50,
    )
    page = write_study_page(tmp_path, summary).read_text()
    assert "validation slides of all, out of fold</th>" in page and "Val2</th>" in page
    table = pd.read_csv(tmp_path / "folds.csv")
    pooled = table[(table["split"] == "out-of-fold") & (table["label"] == "GG5")]
    assert (pooled["positives"] + pooled["negatives"] == 80).all() and {*pooled["fold"]} == {"all"}
    rows = parts[2][(parts[2]["label"] == "GG5") & (parts[2]["variant"] == "sd")]
    where = (table["fold"] == "Val2") & (table["split"] == "val") & (table["label"] == "GG5")
    found = table.loc[where & (table["variant"] == "sd"), "value"].item()
    assert found == pytest.approx(roc_auc_score(rows["truth"], rows["score"]))


def test_a_roc_rises_at_ties_together_and_its_area_is_the_auroc() -> None:
    run = pd.DataFrame({"truth": [0, 1, 1, 0], "score": [0.1, 0.5, 0.9, 0.5]})
    false, true = _roc(run)
    assert false.tolist() == [0, 0, 0.5, 1] and true.tolist() == [0, 0.5, 1, 1]
    assert np.trapezoid(true, false) == pytest.approx(0.875)


def test_calibration_is_the_mean_score_and_the_fraction_of_positives() -> None:
    said, seen = _bins(pd.DataFrame({"truth": [0, 1, 1], "score": [0.1, 0.0, 1.0]}))
    assert said == [0.05, 1.0] and seen == [0.5, 1.0]
