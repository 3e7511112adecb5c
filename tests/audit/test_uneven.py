"""One patient who has nearly all tiles leaves a half of the others too small: that is said."""

from dataclasses import replace

import numpy as np
import pytest

from disc.audit.encoders import View
from disc.audit.look.nearness import measure_nearness
from disc.audit.look.stain import measure_stain
from disc.audit.look.tissue import measure_look
from disc.labels import Label
from tests.audit.made_tiles import make_set


@pytest.fixture(scope="module")
def real():
    return make_set("real", 4, side=192)


def give_one(held, num):
    """All tiles but the last `num` are one patient's, and the last are two others'."""
    owners = np.full(len(held), "most")
    owners[-num:] = ["a", "b"][: min(num, 2)] * (num // 2) if num > 1 else "a"
    return replace(held, patients=owners)


@pytest.mark.parametrize("others", [1, 2, 12])
def test_a_stain_is_refused_where_a_half_of_the_patients_has_few_tiles(real, others):
    """The floor between a half of no tile, or of one, was no number, and a traceback."""
    uneven = give_one(real, others)
    figure = measure_stain((uneven, real), Label.NC, 0)
    assert "; 20 would do" in figure.refused and figure.tiles <= others
    assert not measure_stain((real, real), Label.NC, 0).refused
    measure_look(uneven, real, seed=0)


def test_distances_are_refused_where_any_half_that_is_drawn_is_too_small(real):
    """Of three patients, the largest of whom is dealt last, a half is left with one of two."""
    uneven = give_one(real, 8)
    view = View(np.arange(len(real)), *np.random.default_rng(0).normal(size=(2, len(real), 8)))
    for figure in measure_nearness("texture", [view], uneven, real, seed=0):
        assert "4 tiles in the smallest part" in figure.refused
