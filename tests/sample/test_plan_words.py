"""Plans: how they are written, and which steps they divide a denoising into."""

import numpy as np
import pytest
import torch

from disc.files import BadInput
from disc.sample.plans import Plan
from disc.sample.regions import beside_borders
from tests.sample.test_plans import PLANS


@pytest.mark.parametrize("plan", [*PLANS, "guide@0.5:0-999", "switch@0", "heal@999"])
def test_a_plan_is_written_as_it_is_read(plan):
    parsed = Plan.parse(plan)
    assert Plan.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ends", "expected end, switch@0.75"),
        ("switch", "no plan"),
        ("switch@", "no plan"),
        ("end@", "nothing after @"),
        ("heal@250:", "nothing after @ or :"),
        ("switch@1.5", r"lies in 0\.\.1"),
        ("switch@nan", r"lies in 0\.\.1"),
        ("late@0.5:3", "no plan"),
        ("guide@-1", "weight"),
        ("guide@1:700-300", "rise within 0-999"),
        ("guide@1:300", "no plan"),
        ("heal@0.2", "no plan"),
        ("heal@0", "time step in 1"),
        ("heal@250:0", "no plan"),
        ("", "no plan"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(text, words):
    with pytest.raises(BadInput, match=words) as found:
        Plan.parse(text)
    assert "\n" not in str(found.value)


def test_plans_count_their_steps():
    steps = [900, 700, 500, 300]
    assert Plan.parse("switch@0.5").phases(steps) == ["separate"] * 2 + ["joint"] * 2
    assert Plan.parse("late@0.25").phases(steps) == ["joint"] + ["separate"] * 3
    assert Plan.parse("guide@1:300-700").phases(steps) == ["joint"] + ["guided"] * 3
    assert Plan.parse("heal@699").healing_steps(steps) == [500, 300]
    assert np.all([Plan.parse("end").healing_steps(steps) == []])


def test_a_band_wider_than_a_tile_is_all_of_it():
    small = torch.zeros(2, 8, 8, dtype=torch.uint8)
    small[0, :, 7] = 1
    near = beside_borders(small, Plan.parse("heal@250:1000000000000000000000000").band)
    assert near[0].all() and not near[1].any()
