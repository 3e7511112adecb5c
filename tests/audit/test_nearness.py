"""Distances: equal sets are as far apart as patients are, different ones are told."""

import numpy as np
import pytest

from disc.audit.encoders import View
from disc.audit.look.nearness import measure_nearness
from disc.audit.look.stain import measure_stain
from disc.audit.sets import hold_arrays
from disc.audit.summary import judge
from disc.labels import Label


def noise_of_patients(kind, seed, shift=0.0, sizes=(10,) * 40):
    """A set of noise, and features whose means differ by patient."""
    rng = np.random.default_rng([seed, ord(kind)])
    num = sum(sizes)
    owners = np.repeat([f"{kind}{number}" for number in range(len(sizes))], sizes)
    images = rng.integers(0, 256, (num, 32, 32, 3), np.uint8)
    features = np.repeat(rng.normal(size=(len(sizes), 24)), sizes, axis=0)
    features = features + rng.normal(size=(num, 24)) + shift
    return hold_arrays(kind, images, images[..., 0] % 4, list(owners), 4.0), features


def find(real, made, seed):
    """Figures of two sets with their features."""
    view = View(np.arange(len(real[0])), real[1], made[1])
    found = measure_nearness("texture", [view], real[0], made[0], seed=seed)
    return {one.name.partition(".")[0]: one for one in found}


@pytest.mark.parametrize("shift", [0, 0.6])
def test_distances_are_worse_than_between_patients_only_where_sets_differ(shift):
    """A bootstrap drew tiles twice, and its interval of equal sets lay above its own value."""
    said = []
    for seed in range(4):
        found = find(noise_of_patients("R", seed), noise_of_patients("S", seed, shift), seed)
        for name in ("kid", "frechet"):
            assert found[name].low < found[name].value < found[name].high
            said.append(judge(found[name]) == "worse")
    assert np.mean(said) >= 0.7 if shift else not any(said)


@pytest.mark.parametrize(
    ("owners", "makers"),
    [
        ((10,) * 40, (10,) * 40),
        ((10,) * 40, (10,) * 80),
        ((30,) * 16, (120,) * 4),  # so few slides are held beside as few patients
        ((10,) * 40, (1,) * 400),
        ((80, 60, 50, 40, 40, 30, 30, 30, 20, 20),) * 2,
    ],
)
def test_equal_sets_are_about_as_far_apart_as_the_floor_says(owners, makers):
    """A floor of half of the patients stood beside a value of all, and was too high."""
    found = [
        find(noise_of_patients("R", k, sizes=owners), noise_of_patients("S", k, sizes=makers), k)
        for k in range(4)
    ]
    for name in ("kid", "frechet", "coverage"):
        floors = [one[name].floor for one in found if not one[name].refused]
        values = [one[name].value for one in found if not one[name].refused]
        if name == "kid":
            assert len(floors) == 4
        if floors and makers[0] > 1:
            assert np.mean(values) == pytest.approx(np.mean(floors), rel=0.35), name
        assert not any(judge(one[name]) == "worse" for one in found)


def test_numbers_are_of_the_smallest_half():
    """Beside one large patient and three small ones a half has 60 to 90 tiles."""
    sizes = (600, 30, 30, 30)
    found = find(*(noise_of_patients(kind, 0, sizes=sizes) for kind in "RS"), 0)
    assert found["kid"].tiles <= 90 and "in the smallest part" in found["frechet"].refused


def test_of_one_synthetic_slide_there_is_no_interval():
    pair = (noise_of_patients(kind, 0, sizes=(40,) * num) for kind, num in (("R", 20), ("S", 1)))
    kid = find(*pair, 0)["kid"]
    assert np.isfinite(kid.value) and np.isnan(kid.low) and judge(kid) == ""


def stained_patients(kind, seed, levels):
    """40 patients of 10 tiles, each patient of a colour of its own, all lighter by some levels."""
    rng = np.random.default_rng([seed, ord(kind)])
    colours = rng.integers(40, 130, (40, 1, 1, 3)).repeat(10, axis=0) + levels
    images = (colours + rng.integers(0, 60, (400, 32, 32, 3))).astype(np.uint8)
    owners = [f"{kind}{number // 10}" for number in range(400)]
    return hold_arrays(kind, images, np.zeros(images.shape[:3], np.uint8), owners, 4.0)


@pytest.mark.parametrize("levels", [0, 40])
def test_a_stain_is_worse_only_where_it_differs(levels):
    said = []
    for seed in range(4):
        pair = stained_patients("R", seed, 0), stained_patients("S", seed, levels)
        figure = measure_stain(pair, Label.NC, seed)
        assert figure.low < figure.value < figure.high
        said.append(judge(figure) == "worse")
    assert np.mean(said) >= 0.7 if levels else not any(said)
