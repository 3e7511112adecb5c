from typing import Any

import pytest

from disc.evaluate.marks import find_marks

ALIKE: dict[str, Any] = {"steps": (15, 15), "deviation": (0.88, 0.90), "kid_gain_low": -0.1}


def test_alike_but_for_the_mask_is_not_marked() -> None:
    assert find_marks(**ALIKE) == ()


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        ({"steps": (8, 15)}, "steps"),
        ({"deviation": (0.82, 0.90)}, "deviation"),
        ({"deviation": (0.96, 0.90)}, "deviation"),
        ({"kid_gain_low": 0.01}, "KID"),
    ],
)
def test_each_is_marked_alone(change: dict[str, Any], mark: str) -> None:
    assert find_marks(**{**ALIKE, **change}) == (mark,)


def test_nothing_known_of_the_distance_is_no_mark_of_it() -> None:
    assert find_marks(**{**ALIKE, "kid_gain_low": float("nan")}) == ()
