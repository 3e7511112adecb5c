"""No figure is without a value and without a reason, and none such keeps to a limit."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from disc.audit.audit import Questions, _check, audit
from disc.audit.copies.detector import Detector, rate_of
from disc.audit.copies.new import tell, tell_rate
from disc.audit.figures import Figure, settle
from disc.audit.page import _confusion_grid, beside
from disc.audit.request import Limit
from disc.audit.sets import hold_arrays
from tests.audit.made_tiles import make_tiles

COPIES = Figure(part="new", name="copies", text="")


def detect(alarms=0, found=100):
    """A detector with so many false alarms among 200, and of 100 planted copies so many found."""
    rates = rate_of(np.arange(200) < alarms), rate_of(np.arange(100) < found)
    facts = {"book": None, "whole": 0.9, "window": 0.9, "softness": 0.0, "alarmed": (0, 5)}
    return Detector(**facts, false_alarms=rates[0], power={"flipped": rates[1]})


@pytest.mark.parametrize("figure", [COPIES, replace(COPIES, value=0.0, refused="too few")])
@pytest.mark.parametrize("limit", [Limit("copies", True, -1), Limit("copies", False, 9)])
def test_what_has_no_value_keeps_to_no_limit(figure, limit):
    assert not _check(limit, settle(figure)).passed and settle(figure).refused
    assert _check(limit, replace(COPIES, value=0.0)).passed


def test_every_figure_of_tiles_of_one_colour_has_a_value_or_a_reason():
    images, masks, owners = make_tiles(4, side=96, px=32)
    flat = hold_arrays("flat", np.full_like(images, 240), masks, owners, 4.0)
    questions = Questions(parts=("look", "seams"), encoders=("texture",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = audit(flat, flat, questions).figures
    said = {figure.name: figure.refused for figure in figures}
    assert all(np.isfinite(one.value) != bool(one.refused) for one in figures)
    assert said["kid.texture"] == "real tiles are all alike in it"
    assert said["nuclei.NC"] == said["gradient.NC"]
    assert said["nuclei.NC"] == "nothing to divide by: it is 0 in all real tiles"
    assert said["stain.NC"] == "real tiles are all stained alike"


@pytest.mark.parametrize(
    ("detector", "why"),
    [
        (detect(alarms=200), "200 of 200 tiles of other patients look like copies"),
        (detect(found=20), "only 20 of 100 planted copies are found"),
    ],
)
def test_where_copies_cannot_be_told_the_true_reason_is(detector, why):
    assert tell_rate(COPIES, np.zeros(50, bool), detector).refused == why
    assert tell(rate_of(np.zeros(50, bool)), detector) == f"Cannot tell: {why}."


def test_copies_of_few_tiles_are_refused():
    """0 of 1 tile kept every limit."""
    few, enough = (tell_rate(COPIES, np.zeros(num, bool), detect()) for num in (19, 20))
    assert few.refused == "19 tiles; 20 would do" and np.isnan(few.value)
    assert enough.value == 0 and not enough.refused


def test_false_alarms_are_not_called_halves():
    said = beside(tell_rate(COPIES, np.zeros(50, bool), detect(alarms=1)))
    assert said.startswith("false alarms 0.005, at most 0.0") and "halves" not in said


def test_a_confusion_that_is_refused_is_no_number_on_the_page():
    figure = Figure(part="asked", name="confusion.NC>NC", text="", refused="1 tiles; 30 would do")
    (row,) = _confusion_grid([figure]).rows
    assert row[1].text == "refused" and row[1].small == figure.refused and row[2].text == ""
