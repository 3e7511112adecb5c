"""Sentences claim what the intervals allow, and no more."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from disc.evaluate.agreement import RECALLS, share_table
from disc.report.graders.sentences import grading_sentences, verdict_sentence
from disc.report.limitations import limitations
from disc.report.numbers import measure
from disc.report.sentences import _way, agreement_sentence, headline, signed, verdict
from disc.report.tables import duration
from tests.report.summaries import make_agreement, make_summary

NAN = float("nan")


def row(value: float, low: float, high: float, **facts: object) -> SimpleNamespace:
    return SimpleNamespace(value=value, low=low, high=high, **facts)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.09, "better"),
        (-0.09, -0.01, "worse"),
        (-0.01, 0.11, "unclear"),
        (0.0, 0.10, "unclear"),
        (NAN, NAN, "no interval"),
    ],
)
def test_verdict_follows_the_interval(low: float, high: float, expected: str) -> None:
    facts = {"variant": "sd-sc", "kind": "multi-class", "tiles": 9, "slides": 3}
    found = row(0.05, low, high, marks="", **facts)
    assert verdict(found) == expected
    claims = ("better" in agreement_sentence(found), "worse" in agreement_sentence(found))
    assert claims == (expected == "better", expected == "worse")
    marked = agreement_sentence(row(0.05, low, high, marks="steps, KID", **facts))
    assert "better" not in marked and "worse" not in marked
    is_marked = "marked\N{NO-BREAK SPACE}† (unequal steps, KID)" in marked
    assert is_marked == (expected in ("better", "worse"))


def test_signs() -> None:
    assert [signed(0.05), signed(-0.05), signed(-0.0001), signed(NAN)] == [
        "+0.050",
        "\N{MINUS SIGN}0.050",
        "+0.000",
        "none",
    ]


def test_equal_variants_are_not_called_different() -> None:
    table = make_agreement(np.random.default_rng(1))
    same = table[table["variant"] == "sd"].assign(variant="sd-sc")
    summary = make_summary(
        agreement=pd.concat([table[table["variant"] == "sd"], same]), scores=None, pixels=None
    )
    sentences = headline(measure(summary))
    assert len(sentences) == 1
    assert sentences[0].count("includes zero") == 2, "on both sets of masks"
    assert "against sd (plain) includes zero: +0.000 [0.000" in sentences[0]


def test_variants_are_told_on_the_way_from_chance_to_collages() -> None:
    table = make_agreement(np.random.default_rng(1))
    plain = table[table["variant"] == "sd"]
    noise = np.random.default_rng(2).normal(0, 0.02, len(plain))
    levels = {"chance": 0.2, "collage": 0.7, "sd-sc": 0.6 + noise, "sd": 0.4 + noise}
    known = [
        plain.assign(variant=name, **dict.fromkeys(RECALLS, at)) for name, at in levels.items()
    ]
    shares = share_table(pd.concat(known), "chance", "collage", draws=200, seed=0)
    (said,) = _way(shares)
    found = re.findall(r"(sd|sd-sc) (\d+)\s% \[(\d+)\s%, (\d+)\s%\]", said)
    assert [name for name, *_ in found] == ["sd", "sd-sc"] * 2, "on both sets of masks"
    for name, *ends in found:
        value, low, high = map(int, ends)
        assert low <= value <= high and abs(value - {"sd": 40, "sd-sc": 80}[name]) <= 2
    assert _way(shares[shares["kind"] == "single-class"]) == []
    alike = [*known[:1], known[1].assign(**dict.fromkeys(RECALLS, 0.2 + noise)), *known[2:]]
    assert _way(share_table(pd.concat(alike), "chance", "collage", draws=200, seed=0)) == []
    before = [one for one in known if "chance" not in one["variant"].values]
    assert _way(share_table(pd.concat(before), "chance", "collage", draws=20, seed=0)) == []


def test_graders_are_named_where_there_are_several() -> None:
    facts = {"label": "GG4", "low": 0.1, "high": 0.2, "p_holm": 0.01, "smallest": 0.04}
    rows = [
        {"grader": grader, "encoder": "carcino", "data_set": "in", "variant": "sd", **facts}
        | {"value": value, "verdict": verdict}
        for grader, value, verdict in (("transmil", 0.15, "helps"), ("abmil", -0.15, "harms"))
    ]
    none = pd.DataFrame()
    said = grading_sentences(SimpleNamespace(auroc_tests=pd.DataFrame(rows), dice_tests=none))  # type: ignore[arg-type]
    assert len(said) == 2 and "by abmil" in said[0] and "by transmil" in said[1]
    assert "harms" in said[0] and "harms" not in said[1]
    (one,) = grading_sentences(SimpleNamespace(auroc_tests=pd.DataFrame(rows[:1]), dice_tests=none))  # type: ignore[arg-type]
    assert " by " not in one


def test_verdicts_in_words() -> None:
    tests = pd.DataFrame(
        [
            ("sd", "GG3", 0.05, 0.01, 0.09, 0.012, 0.04, "helps"),
            ("sd", "GG4", -0.05, -0.09, -0.01, 1e-5, 0.04, "harms"),
            ("sd", "NC", 0.01, -0.02, 0.04, 0.8, 0.035, "not distinguishable"),
            ("sd-sc", "NC", 0.0, 0.0, 0.0, 1.0, np.nan, "not distinguishable"),
            ("sd", "GG5", 0.2, 0.1, 0.3, 1e-5, 0.1, "baseline not trained"),
        ],
        columns=["variant", "label", "value", "low", "high", "p_holm", "smallest", "verdict"],
    ).assign(grader_seeds=2)
    found = verdict_sentence(tests, "slide grading, in distribution", "AUROC")
    assert found.startswith("Slide grading, in distribution: AUROC of 2 variants against")
    assert "GG3: sd helps, +0.050 [0.010, 0.090], p = .012." in found
    assert "GG4: sd harms, \N{MINUS SIGN}0.050" in found and "p < .001" in found
    shown = "Not distinguishable, 2 of 5: the smallest difference this test set can show is"
    assert f"{shown} Non-Cancer 0.035." in found
    assert "Baseline not trained, GG5: " in found and "Trained once" not in found
    blind = verdict_sentence(tests[tests["variant"] == "sd-sc"], "slide grading", "AUROC")
    assert "1 of 1: of Non-Cancer this test set can show none: all draws are alike" in blind
    once = verdict_sentence(tests.assign(verdict="trained once"), "pixel grading", "Dice")
    assert "Trained once, so neither help nor harm, 5 of 5: sd in GG3 (+0.050 [0.010," in once
    assert "helps" not in once and "harms" not in once
    none = verdict_sentence(tests[2:3].assign(grader_seeds=1), "pixel grading", "Dice")
    assert "1 of 1: graders of one seed can show none." in none


def test_few_positives_and_few_slides_are_cautioned() -> None:
    scores, agreement = make_summary().scores, make_summary().agreement
    assert scores is not None and agreement is not None
    rare = scores["truth"].where(scores["label"] != "GG5", 0)
    few = agreement.assign(source_slide=agreement["source_slide"].str[-1])
    summary = make_summary(
        scores=scores.assign(truth=rare), agreement=few, pixels=None, notes=["a note"]
    )
    found = limitations(summary, measure(summary))
    assert found["run"][0].startswith("The tissue is simulated") and "A note" in found["run"]
    (thin,) = (note for note in found["slide grading"] if "fewer than 5 slides" in note)
    assert "in distribution, of 30 slides: GG5 0; " in thin and "both sides has none" in thin
    assert any("rests on masks from 10 slides" in note for note in found["mask agreement"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.2, "4.2 s"), (200, "3 min 20 s"), (59.97, "1 min 0 s"), (7500, "2 h 5 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_variant_whose_weight_cannot_be_chosen_is_named() -> None:
    scores = make_summary().scores
    assert scores is not None
    summary = make_summary(scores=scores[scores["split"] == "test"], pixels=None)
    (said,) = (
        note
        for note in limitations(summary, measure(summary))["slide grading"]
        if note.startswith("No balance weight could be chosen") and "for sd transmil" in note
    )
    assert "there is no verdict" in said
    whole = limitations(make_summary(pixels=None), measure(make_summary(pixels=None)))
    assert not [note for note in whole["slide grading"] if "could be chosen" in note]
