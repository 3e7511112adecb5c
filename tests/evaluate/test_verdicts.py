"""The verdict on planted data, and that an interval holds the truth as often as it says."""

import numpy as np
import pandas as pd
import pytest

from disc.evaluate.graders.slides import auroc_tables
from disc.evaluate.graders.spread import smallest_difference
from disc.evaluate.graders.statistics import above_chance, slide_statistics
from disc.evaluate.graders.verdicts import choose_balance_weights, holm, judge, primary_tests
from disc.report.graders.sentences import verdict_sentence
from tests.evaluate.simulated_scores import simulate_scores, true_auroc

GRADER = ["grader", "encoder"]
PLANTED = {"helps": "help", "harms": "shuffled", "not distinguishable": "copies"}
SKILLS = {"real": 1.2, "help": 2.4, "shuffled": 0.0, "copies": 1.2}


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))]
)
def test_the_verdict_on_planted_data_is_right(seed: int) -> None:
    scores = simulate_scores(SKILLS, seed, slides=200, seeds=3)
    levels, gains = auroc_tables(scores, draws=600, seed=seed)
    chosen = choose_balance_weights(levels, GRADER)
    tests = primary_tests(gains, chosen, above_chance(levels), GRADER)
    assert len(tests) == 12
    for verdict, variant in PLANTED.items():
        assert set(tests[tests["variant"] == variant]["verdict"]) == {verdict}
    truth = true_auroc(2.4, has_seeds=True) - true_auroc(1.2, has_seeds=True)
    smallest = tests[tests["variant"] == "help"]["smallest"]
    assert (smallest < truth).all(), "it found what it says it can find"


@pytest.mark.parametrize(
    ("skill", "verdict"), [(2.4, "not shown to help beyond real tiles"), (1.2, "helps")]
)
def test_what_real_tiles_do_as_well_is_no_help_of_synthetic_ones(
    skill: float, verdict: str
) -> None:
    """As many tiles a step, in steps as many, of the real ones again."""
    skills = {"real": 1.2, "sd": 2.4, "real-again": skill, "real-remixed": 0.6}
    scores = simulate_scores(skills, 0, slides=200, seeds=3)
    tests = slide_statistics(scores, draws=600, seed=0)["auroc_tests"]
    found = tests[tests["variant"] == "sd"]
    assert set(found["verdict"]) == {verdict} and set(found["control"]) == {"real-again"}
    assert (found["beyond"].abs() < 0.05).all() == (skill == 2.4)
    controls = tests[tests["variant"] != "sd"]
    assert not controls["beyond"].notna().any() and not (controls["verdict"] == verdict).all()
    said = verdict_sentence(tests, "here", "AUROC")
    assert ("to the control real-again" in said) == (skill == 2.4)


def test_a_gain_over_a_baseline_at_chance_is_none() -> None:
    scores = simulate_scores({"real": 0.0, "sd": 2.0}, 0, slides=120, seeds=2)
    tests = slide_statistics(scores, draws=500, seed=0)["auroc_tests"]
    assert (tests["low"] > 0).all() and set(tests["verdict"]) == {"baseline not trained"}


def test_a_label_without_positives_is_undefined_and_is_no_test() -> None:
    scores = simulate_scores({"real": 1.0, "sd": 2.2}, 1, slides=100)
    rare = scores.assign(truth=scores["truth"].mask(scores["label"] == "GG5", 0))
    tests = slide_statistics(rare, draws=500, seed=0)["auroc_tests"].set_index("label")
    assert tests.loc["GG5", "verdict"] == "undefined"
    left = tests.drop("GG5")
    np.testing.assert_allclose(left["p_holm"], holm(left["p"]))


@pytest.mark.parametrize(
    ("difference", "p", "is_trained", "verdict"),
    [
        (0.1, 0.049, True, "helps"),
        (-0.1, 0.049, True, "harms"),
        (0.1, 0.05, True, "not distinguishable"),
        (0.1, 0.01, False, "baseline not trained"),
        (-0.1, 0.01, False, "baseline not trained"),
        (np.nan, np.nan, True, "undefined"),
        (0.1, np.nan, True, "undefined"),
    ],
)
def test_judge(difference: float, p: float, is_trained: bool, verdict: str) -> None:
    assert judge(difference, p, is_trained, True) == verdict


@pytest.mark.parametrize("difference", [0.1, -0.1])
def test_one_training_against_another_neither_helps_nor_harms(difference: float) -> None:
    assert judge(difference, 0.01, True, False) == "trained once"
    assert judge(difference, 0.2, True, False) == "not distinguishable"
    assert judge(difference, 0.01, False, False) == "baseline not trained"
    scores = simulate_scores({"real": 1.2, "sd": 2.4}, 0, slides=200)
    generators = pd.concat([scores.assign(generator_seed=seed) for seed in range(3)])
    for table in (scores, generators):
        tests = slide_statistics(table, draws=600, seed=0)["auroc_tests"]
        assert set(tests["verdict"]) == {"trained once"} and (tests["grader_seeds"] == 1).all()
        said = verdict_sentence(tests, "here", "AUROC")
        assert "Trained once, so neither help nor harm, 4 of 4: sd in Non-Cancer (+" in said


def test_holm_is_over_exactly_the_primary_tests() -> None:
    """Means, other weights and validation are no tests; each grader is a family of its own."""
    gains = pd.DataFrame(
        [
            ("a", "test", "sd", 0.3, "GG3", 0.02),
            ("a", "test", "sd", 0.3, "GG4", 0.03),
            ("a", "test", "sd", 0.3, "mean", 1e-4),
            ("a", "test", "sd", 0.1, "GG3", 1e-4),
            ("a", "val", "sd", 0.3, "GG3", 1e-4),
            ("b", "test", "sd", 0.3, "GG3", 0.04),
        ],
        columns=["grader", "split", "variant", "balance_weight", "label", "p"],
    ).assign(encoder="e", data_set="in", value=0.1, error=0.02, freedom=np.inf, grader_seeds=2)
    chosen = pd.DataFrame({"grader": ["a", "b"], "variant": "sd", "balance_weight": 0.3})
    index = pd.MultiIndex.from_frame(gains[[*GRADER, "data_set", "label"]].drop_duplicates())
    tests = primary_tests(gains, chosen, pd.Series(True, index), GRADER)
    assert tests["p_holm"].tolist() == pytest.approx([0.04, 0.04, 0.04])
    assert tests["smallest"].tolist() == pytest.approx([2.8016 * 0.02] * 3, rel=1e-4)
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_the_smallest_difference_is_found_in_four_studies_of_five() -> None:
    drawn = np.random.default_rng(0).normal(smallest_difference(1.0, np.inf), 1, 20_000)
    assert (np.abs(drawn) > 1.95996).mean() == pytest.approx(0.8, abs=0.01)


def test_slides_that_all_rank_alike_show_nothing() -> None:
    """A baseline of AUROC 1 on few slides has no error; it is not infinitely sharp."""
    assert np.isnan(smallest_difference([0.0, 4e-8], [np.inf, 2])).all()


def test_the_balance_weight_is_chosen_on_validation_alone() -> None:
    table = pd.DataFrame(
        [
            ("val", 0.0, 0.99),
            ("val", 0.1, 0.7),
            ("val", 0.3, 0.8),
            ("val", 0.5, 0.8),
            ("test", 0.1, 0.9),
            ("test", 0.3, 0.1),
        ],
        columns=["split", "balance_weight", "value"],
    ).assign(grader="transmil", encoder="e", variant="sd", label="mean")
    assert choose_balance_weights(table, GRADER)["balance_weight"].tolist() == [0.3]
    assert choose_balance_weights(table.assign(value=np.nan), GRADER).empty
    single = table[(table["split"] == "test") & (table["balance_weight"] == 0.1)]
    assert choose_balance_weights(single, GRADER)["balance_weight"].tolist() == [0.1]


def coverage(studies: int, draws: int, **design: object) -> tuple[float, float]:
    """How often the intervals of an AUROC and of a difference hold the true ones."""
    skills, held = {"real": 1.2, "sd": 1.5}, np.zeros(2)
    has_seeds = bool(design.get("seeds"))
    truth = {name: true_auroc(skill, has_seeds=has_seeds) for name, skill in skills.items()}
    counted = 0
    for seed in range(studies):
        scores = simulate_scores(skills, seed, labels=("GG5",), **design)  # type: ignore[arg-type]
        tables = auroc_tables(scores, draws=draws, seed=seed)
        level, gain = (table[table["label"] == "GG5"].iloc[-1] for table in tables)
        if np.isfinite(level["low"]):
            counted += 1
            pairs = ((level, truth["sd"]), (gain, truth["sd"] - truth["real"]))
            held += [row["low"] <= true <= row["high"] for row, true in pairs]
    of_levels, of_gains = held / counted
    return float(of_levels), float(of_gains)


def test_intervals_hold_the_truth() -> None:
    """Loose, for it is short; the long one is below."""
    assert min(coverage(10, 200, slides=120)) >= 0.8


@pytest.mark.slow
def test_intervals_hold_the_truth_in_a_thousand_studies(capsys: pytest.CaptureFixture[str]) -> None:
    clustered = coverage(1000, 1000)
    tiny = coverage(1000, 1000, slides=31, positives=4 / 31, per_patient=1)
    seeds = coverage(300, 1000, seeds=3)
    with capsys.disabled():
        for name, found in (("400", clustered), ("31", tiny), ("400, 3 x 3 seeds", seeds)):
            print(f"\n{name} slides: AUROC {found[0]:.3f}, difference {found[1]:.3f}", end="")
    assert all(0.93 <= part <= 0.97 for part in clustered)
    assert seeds[1] >= 0.9


def test_a_few_patients_whom_the_baseline_ranks_well_are_told_from_chance() -> None:
    """The stretched interval of so few may hold .5; a grader that knows nothing seldom passes."""
    found = []
    for skill in (3.0, 0.0):
        passed = 0
        for seed in range(8):
            design = {"slides": 31, "positives": 5 / 31, "per_patient": 1}
            scores = simulate_scores({"real": skill}, seed, labels=("GG5",), **design)  # type: ignore[arg-type]
            levels = auroc_tables(scores, draws=200, seed=seed)[0]
            passed += int(above_chance(levels[levels["label"] == "GG5"]).iloc[0])
        found.append(passed)
    assert found[0] >= 6 and found[1] <= 1
