"""Areas to scores, and thresholds from validation slides."""

import numpy as np
import pytest

from disc.slides.judging.calibrate import best_threshold
from disc.slides.judging.pixel_sample import calibration_error
from disc.slides.judging.rules import Score, score_areas

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
