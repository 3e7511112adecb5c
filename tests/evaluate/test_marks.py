from typing import Any

import pandas as pd
import pytest

from disc.evaluate.marks import find_marks, mark_differences

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


def test_differences_are_marked_by_what_stands_beside_them() -> None:
    """Of each kind of mask by its own figures; what was not measured has no mark."""
    differences = pd.DataFrame(
        {"variant": ["fast", "disc", "fast", "other"], "kind": ["a", "a", "b", "a"]}
    )
    names = ["variant", "kind", "steps", "standard_deviation", "kid_reconstruction_gain_low"]
    quality = pd.DataFrame(
        [
            ("sd", "a", 10, 0.90, 0.0),
            ("fast", "a", 1, 0.80, 0.1),
            ("disc", "a", 10, 0.88, -0.1),
            ("sd", "b", 10, 0.90, 0.0),
            ("fast", "b", 1, 0.89, -0.1),
        ],
        columns=names,
    )
    found = mark_differences(differences, quality)
    assert found["marks"].tolist() == ["steps, deviation, KID", "", "steps", ""]
