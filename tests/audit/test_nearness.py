"""Distances: equal sets are no farther apart than patients are, and a floor is of equal numbers."""

import numpy as np
import pytest

from disc.audit.encoders import View
from disc.audit.look.nearness import measure_nearness
from disc.audit.look.stain import measure_stain
from disc.audit.sets import hold_arrays
from disc.audit.summary import judge
from disc.labels import Label


def noise_of_patients(kind, seed, shift=0):
    """A set of noise, 40 patients of 10 tiles, and features whose means differ by patient."""
    rng = np.random.default_rng([seed, ord(kind)])
    owners = [f"{kind}{number // 10}" for number in range(400)]
    images = rng.integers(0, 256, (400, 32, 32, 3), np.uint8)
    features = np.repeat(rng.normal(size=(40, 24)), 10, axis=0) + rng.normal(size=(400, 24))
    return hold_arrays(kind, images, images[..., 0] % 4, owners, 4.0), features + shift


@pytest.mark.parametrize("shift", [0, 1])
def test_distances_are_worse_than_between_patients_only_where_sets_differ(shift):
    """A bootstrap drew tiles twice, and its interval of equal sets lay above its own value."""
    said = []
    for seed in range(4):
        real, one = noise_of_patients("R", seed)
        made, other = noise_of_patients("S", seed, shift)
        view = View(np.arange(len(real)), one, other)
        found = {
            one.name: one for one in measure_nearness("texture", [view], real, made, seed=seed)
        }
        for name in ("kid.texture", "frechet.texture"):
            assert found[name].low < found[name].value < found[name].high
            said.append(judge(found[name]) == "worse")
    assert all(said) if shift else sum(said) <= 1


def stained_patients(kind, seed, levels):
    """40 patients of 10 tiles, each patient of a colour of its own, all lighter by some levels."""
    rng = np.random.default_rng([seed, ord(kind)])
    colours = rng.integers(40, 130, (40, 1, 1, 3)).repeat(10, axis=0) + levels
    images = (colours + rng.integers(0, 60, (400, 32, 32, 3))).astype(np.uint8)
    owners = [f"{kind}{number // 10}" for number in range(400)]
    return hold_arrays(kind, images, np.zeros(images.shape[:3], np.uint8), owners, 4.0)


@pytest.mark.parametrize("levels", [0, 60])
def test_a_stain_is_worse_only_where_it_differs(levels):
    said = []
    for seed in range(4):
        pair = stained_patients("R", seed, 0), stained_patients("S", seed, levels)
        figure = measure_stain(pair, Label.NC, seed)
        assert figure.low < figure.value < figure.high
        said.append(judge(figure) == "worse")
    assert all(said) if levels else sum(said) <= 1


def test_the_floor_is_of_as_many_tiles_as_the_distance():
    """Halves of one large patient and three small ones have 60 to 90 tiles, not 345."""
    sizes = [600, 30, 30, 30]
    owners = np.repeat([f"R{n}" for n in range(4)], sizes)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (690, 32, 32, 3), np.uint8)
    real, made = (
        hold_arrays(name, images, images[..., 0] % 4, [f"{name}{one}" for one in owners], 4.0)
        for name in "RS"
    )
    view = View(np.arange(690), *rng.normal(size=(2, 690, 8)))
    found = next(
        one
        for one in measure_nearness("texture", [view], real, made, seed=0)
        if one.name == "frechet.texture"
    )
    assert 50 <= found.tiles <= 90
    assert found.floor / 2 < found.value < 2 * found.floor
