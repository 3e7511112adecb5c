"""Areas to scores, and thresholds from validation slides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from disc.grade.transmil import TransMIL
from disc.labels import IGNORE
from disc.settings.grading import TransMIL as Settings
from disc.slides.judging.calibrate import best_threshold
from disc.slides.judging.calibration import Calibration
from disc.slides.judging.foci import find_sure, measure_focus
from disc.slides.judging.pixel_sample import PixelSample, calibration_error
from disc.slides.judging.rules import Score, score_areas
from disc.slides.judging.verdict import Evidence, judge

FLOORS = (0.01, 0.01, 0.01)


@pytest.mark.parametrize(
    ("areas", "score"),
    [
        ((100, 0, 0, 0), (0, 0)),
        ((100, 0.5, 0, 0), (0, 0)),  # below the floor of the tissue
        ((50, 50, 0, 0), (3, 3)),
        ((50, 30, 20, 0), (3, 4)),
        ((50, 20, 30, 0), (4, 3)),
        ((0, 4, 96, 0), (4, 4)),  # the 5 % rule: little of a lower pattern
        ((0, 5, 95, 0), (4, 3)),
        ((0, 97, 3, 0), (3, 4)),  # little of a higher one counts in a biopsy
        ((0, 60, 30, 10), (3, 5)),  # most and highest
        ((0, 30, 60, 10), (4, 5)),
        ((0, 10, 20, 70), (5, 4)),
        ((0, 4, 0, 96), (5, 5)),
        ((0, 50, 50, 0), (4, 3)),  # of equal ones, the higher is primary
    ],
)
def test_scores(areas: tuple[float, ...], score: tuple[int, int]) -> None:
    assert score_areas(areas, FLOORS) == Score(*score)


def test_a_floor_silences_one_pattern_only() -> None:
    assert score_areas((50, 30, 10, 10), (0.01, 0.2, 0.01)) == Score(3, 5)


def test_isup() -> None:
    assert [Score(*s).isup for s in ((0, 0), (3, 3), (3, 4), (4, 3), (4, 4), (4, 5))] == [*range(6)]


def test_threshold() -> None:
    assert best_threshold([0.0, 0.3, 0.5], [0, 0, 1], (0.01, 0.2), 0.01) == 0.2
    assert best_threshold([0.0, 0.3, 0.5], [1, 1, 1], (0.01, 0.2), 0.01) == 0.01


def test_calibration_error_of_a_coin_that_is_too_sure() -> None:
    probabilities = np.array([[0.9, 0.1, 0, 0]] * 10)
    truth = np.array([0] * 6 + [1] * 4)
    assert calibration_error(probabilities, truth, np.ones(10)) == pytest.approx(0.3)
    fair = np.array([[0.6, 0.4, 0, 0]] * 10)
    assert calibration_error(fair, truth, np.ones(10)) == pytest.approx(0, abs=1e-9)


def test_a_few_pixels_of_every_tile_tell_the_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("disc.slides.judging.pixel_sample.MAX_PIXELS", 20_000)
    rng, sample = np.random.default_rng(0), PixelSample.of(40)
    for number in range(40):
        logits = rng.normal(0, 3, (4, 64, 64)).astype(np.float32)
        draws = rng.gumbel(size=logits.shape)
        mask = (logits / 2 + draws).argmax(0).astype(np.uint8)
        mask[:, 40:] = IGNORE
        if number == 0:
            mask[:] = IGNORE
        sample.add(logits, mask, f"tile {number}", f"patient {number % 4}")
    assert len(sample) == 39 * 500
    temperature, before, after = sample.fit()
    assert temperature == pytest.approx(2, rel=0.05)
    assert after is not None and after < 0.03 < before


CALIBRATION = Calibration(
    temperature=1,
    ece_before=0,
    ece_after=None,
    num_slides=1,
    num_tiles=1,
    floors=FLOORS,
    heads=(0, 0, 0, 0),
    far=1,
    cancer_floor=0.08,
    focus_mm2=0.06,
    mean=np.zeros(1),
    whitening=np.eye(1),
)


def evidence(areas: tuple[float, ...], *others: tuple[float, ...], num: int = 1) -> Evidence:
    """Of a slide of one block of tissue, which every network reads in a way of its own."""
    features = np.random.default_rng(0).normal(size=(12, 72)).astype(np.float32)
    return Evidence(
        areas=np.array(areas),
        blocks=np.array([[each] for each in (areas, *others)]),
        opinions=tuple(f"seed {number}" for number in range(1 + len(others))),
        num_seeds=num,
        features=features,
        distances=np.empty(0),
    )


FAR = replace(evidence((1, 0, 0, 0)), distances=np.array([0.5, 1.5, 1.6]))


@pytest.mark.parametrize(
    ("seen", "heads", "code", "said"),
    [
        (evidence((0.1, 0, 0, 0)), None, "too-little-tissue", "0.10 mm², expected 0.25 or more"),
        (FAR, None, "unlike-training", "unlike anything trained on: distance 1.50"),
        (evidence((1, 0, 0, 0), (0, 1, 0, 0), num=2), None, "unstable", "networks: 0, 1"),
        (evidence((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)), None, "unstable", ": 0, 1, 4"),
        (evidence((1, 0, 0, 0)), 2.0, "disagreement", "the slide grader sees no label"),
    ],
)
def test_why_nothing_is_said(seen: Evidence, heads: float | None, code: str, said: str) -> None:
    nets = [] if heads is None else [TransMIL(Settings(), 72)]
    calibration = replace(CALIBRATION, heads=(heads or 0,) * 4)
    (reason,) = judge(seen, calibration, nets).abstained
    assert reason.code == code and said in reason.text


SPREAD = evidence((0.9, 0.05, 0.05, 0))
"""Of two patterns, of which neither reaches its floor."""


@pytest.mark.parametrize(
    ("seen", "floors", "said"),
    [
        (SPREAD, (0.06,) * 3, "all patterns together are 10.0% of it (floor 8.0%)"),
        (
            replace(evidence((0.98, 0, 0.02, 0)), focus_mm2=0.1),
            (0.06,) * 3,
            "graders are sure that 0.100 mm² in one piece are cancer (threshold, set on",
        ),
    ],
)
def test_a_focus_below_the_floors_is_not_called_benign(
    seen: Evidence, floors: tuple[float, float, float], said: str
) -> None:
    verdict = judge(seen, replace(CALIBRATION, floors=floors), [])
    assert verdict.gleason.isup == 0
    (reason,) = verdict.abstained
    assert reason.code == "small-focus" and said in reason.text


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        (replace(evidence((0.98, 0.02, 0, 0)), focus_mm2=0.05), CALIBRATION),
        # of features there is no map, of old weights no threshold
        (evidence((0.98, 0.02, 0, 0)), CALIBRATION),
        (replace(SPREAD, focus_mm2=0.1), replace(CALIBRATION, cancer_floor=None, focus_mm2=None)),
        # graded, so nothing was overlooked
        (replace(evidence((0.5, 0.5, 0, 0)), focus_mm2=0.5), CALIBRATION),
    ],
)
def test_little_that_benign_slides_have_too_is_benign(seen: Evidence, known: Calibration) -> None:
    assert not judge(seen, replace(known, floors=(0.06,) * 3), []).abstained


def test_the_largest_region_that_graders_are_sure_of_joins_patterns() -> None:
    probabilities = np.zeros((4, 8, 10))
    probabilities[:, :7] = np.array([0.85, 0.05, 0.05, 0.05])[:, None, None]  # below: no tissue
    sure = [[0.02, 0.9, 0.04, 0.04], [0.05, 0.05, 0.2, 0.7], [0.03, 0.3, 0.4, 0.27]]
    for place, each in zip(((1, 3, 1, 4), (3, 5, 2, 4), (6, 7, 6, 9)), sure, strict=True):
        top, bottom, left, right = place
        probabilities[:, top:bottom, left:right] = np.array(each)[:, None, None]
    probabilities[:, 0, 9] = [0.2, 0.8, 0, 0]  # more likely than not, and not sure
    found = find_sure(probabilities)
    assert found.sum() == 6 + 4 + 3 and measure_focus(found, 0.5) == 0.5 * (6 + 4)
    assert measure_focus(np.zeros((3, 3), bool), 1.0) == 0
    sizes = np.ones((8, 10))
    sizes[6] = 10
    assert measure_focus(found, sizes) == 30
    logits = np.log(np.maximum(probabilities[:, :7], 1e-30)) / 1.7
    cooled = np.exp(logits) / np.exp(logits).sum(0)
    assert (find_sure(cooled, 1.7) == found[:7]).all(), "whatever the temperature of the map"


def test_one_network_of_three_may_be_wrong_and_near_tissue_is_graded() -> None:
    seen = evidence((1, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0))
    verdict = judge(replace(seen, distances=FAR.distances - 0.6), CALIBRATION, [])
    assert not verdict.abstained and verdict.distance == pytest.approx(0.9)


def test_intervals_hold_what_blocks_of_tissue_and_networks_change() -> None:
    blocks = np.zeros((2, 8, 4))
    blocks[0, :, 0] = blocks[1, :, 0] = 0.5
    blocks[0, :2, 0], blocks[0, :2, 1] = 0, 0.5
    blocks[1, :4, 0], blocks[1, :4, 1] = 0, 0.5

    def interval(blocks: np.ndarray) -> tuple[float, float]:
        areas = blocks[0].sum(0)
        names = tuple(f"seed {number}" for number in range(len(blocks)))
        seen = replace(evidence(tuple(areas)), areas=areas, blocks=blocks, opinions=names)
        share = judge(seen, CALIBRATION, []).shares["GG3"]
        assert share.low is not None and share.high is not None and share.fraction == 0.25
        return share.low, share.high

    one, both = interval(blocks[:1]), interval(blocks)
    # of 8 blocks with a chance of 1/4 each: binomial quantiles of .025 and .975
    assert one[0] == 0 and 0.5 <= one[1] <= 0.625
    assert both[1] > one[1]
    alone = judge(evidence((1, 1, 0, 0)), CALIBRATION, []).shares["GG3"]
    assert (alone.fraction, alone.low, alone.high) == (0.5, None, None)


def test_an_ordinal_head_is_asked_and_may_disagree() -> None:
    calibration = CALIBRATION
    torch.manual_seed(0)
    nets = [TransMIL(Settings(head="ordinal"), 72) for _ in range(2)]
    found = judge(evidence((1, 0, 0, 0)), calibration, nets).slide_group
    assert found is not None and sum(found.shares.values()) == pytest.approx(1, abs=1e-4)
    assert found.shares[str(found.group)] == max(found.shares.values())
    far = (1, 0, 0, 9) if found.group < 3 else (1, 0, 0, 0)
    (reason,) = judge(evidence(far), calibration, nets).abstained
    assert reason.code == "disagreement" and "ordinal head" in reason.text
    plain = judge(evidence(far), calibration, [TransMIL(Settings(), 72)])
    assert plain.slide_group is None and not plain.abstained
