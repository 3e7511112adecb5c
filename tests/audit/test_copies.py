"""Copies: planted ones are recovered, other patients' tiles are none, unclear is said."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from disc.audit.copies import detector as detectors
from disc.audit.copies import screen
from disc.audit.copies.detector import THRESHOLDS, Effort, calibrate, correct, rate_of
from disc.audit.copies.new import measure_copies, tell
from disc.audit.copies.pictures import (
    NUM_PLACES,
    NUM_VERSIONS,
    query_windows,
    take_pictures,
    turn,
)
from disc.audit.copies.search import _scan, find_matches
from disc.audit.copies.wear import WEARS, plant, soften
from disc.audit.sets import hold_arrays
from disc.files import BadInput
from disc.train.draws import transform
from tests.audit.made_tiles import make_set, make_tiles

RATES = (0.0, 0.003, 0.01, 0.1)
SOFT = 0.6


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detectors, "NUM_PLANTED", 60)
        patch.setattr(detectors, "MAX_NULL", 150)
        yield


@pytest.fixture(scope="module")
def training():
    return make_tiles(6)


@pytest.fixture(scope="module")
def innocent():
    """Of patients that no generator saw."""
    return soften(make_tiles(6, start=100)[0], SOFT)


@pytest.fixture(scope="module")
def detector(training, innocent):
    return calibrate(training[0], list(training[2]), innocent, seed=0)


def test_what_is_called_a_copy_is_calibrated(detector):
    assert abs(detector.softness - SOFT) < 0.15
    assert detector.false_alarms.value <= 0.01
    assert detector.is_able
    assert set(detector.power) == set(WEARS)
    assert min(rate.value for rate in detector.power.values()) >= 0.9


def test_planted_copies_are_recovered_at_every_rate(detector, training, innocent):
    """Tiles are called copies each for itself, so sets are drawn from flags that are known."""
    rng = np.random.default_rng(1)
    chosen = rng.choice(len(training[0]), 100)
    worn = plant("flipped", training[0][chosen], training[0][chosen], SOFT, rng)
    found = {True: detector.find(worn)[0], False: detector.find(innocent[::2])[0]}
    for rate in RATES:
        covered = 0
        for seed in range(20):
            draw = np.random.default_rng(seed)
            num = round(rate * 1000)
            flags = [
                draw.choice(found[is_copy], n) for is_copy, n in ((True, num), (False, 1000 - num))
            ]
            _, low, high = correct(rate_of(np.concatenate(flags)), detector)
            covered += low <= rate <= high
        assert covered >= 18, rate


@pytest.mark.slow
def test_planted_copies_are_recovered_in_18_of_20_sets():
    """Each set has patients, tiles and a calibration of its own."""
    covered = dict.fromkeys(RATES, 0)
    for seed in range(20):
        images, _, owners = make_tiles(6, start=1000 * (seed + 1))
        others = soften(make_tiles(6, start=1000 * (seed + 1) + 500)[0], SOFT)
        found = calibrate(images, list(owners), others, seed=seed)
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(images), len(others), replace=False)
        worn = plant("flipped", images[chosen], images[chosen], SOFT, rng)
        for rate in RATES:
            num = round(rate * len(others))
            flags, _ = found.find(np.concatenate([worn[:num], others[num:]]))
            _, low, high = correct(rate_of(flags), found)
            covered[rate] += low <= num / len(others) <= high
    assert min(covered.values()) >= 18, covered


def test_tiles_of_the_same_patients_would_hide_every_copy(detector, training):
    """A threshold at what overlapping neighbours reach calls nothing a copy."""
    images = training[0]
    book, rest = np.arange(0, len(images), 2), np.arange(1, len(images), 2)
    neighbours = find_matches(take_pictures(images[rest]), take_pictures(images[book]))
    blind = np.quantile(neighbours.window, 0.99)
    assert blind > detector.window
    worn = plant("quarter", images[book][:80], images[rest][:80], SOFT, np.random.default_rng(0))
    matches = find_matches(take_pictures(worn), take_pictures(images[book]))
    assert (matches.window > detector.window).mean() > 0.95


def test_a_copy_is_found_with_the_tile_that_it_is_of(detector, training):
    chosen = np.arange(0, 200, 9)
    for version in range(NUM_VERSIONS):
        turned = np.stack([transform(training[0][i], version) for i in chosen])
        flags, matches = detector.find(turned)
        assert flags.all() and (matches.whole_of == chosen).all()


def test_a_region_alone_is_found(detector, training, innocent):
    images = innocent[:40].copy()
    # at every fourth pixel places are searched; this one is none of every eighth
    images[:, :32, 32:] = training[0][:40, 20:52, 12:44]
    flags, matches = detector.find(images)
    assert flags.mean() > 0.6 and not (matches.whole > detector.whole).any()


def test_what_a_copied_region_is_not_of_is_not_called_copied(training, innocent):
    """The tiles that copies of a region of one tile are like as a whole were counted, too."""
    images = innocent[:40].copy()
    images[:, :32, 32:] = training[0][8, 20:52, 12:44]
    real = hold_arrays("real", *training, 4.0)
    made = hold_arrays("made", images, training[1][:40], ["maker"] * 40, 4.0)
    found = {one.name: one for one in measure_copies(real, made, seed=0).figures}
    assert found["copies"].value > 0.6
    # tiles overlap by half, so a few others hold some of it
    assert found["copied-tiles"].value <= 4 / len(real)
    assert found["copied-patients"].value == pytest.approx(1 / 6)


def test_nobody_is_compared_with_himself(training):
    pictures, owners = take_pictures(training[0][:120]), training[2][:120]
    assert len(set(owners)) > 1
    matches = find_matches(pictures, pictures, owners=list(owners), holders=list(owners))
    assert (owners[matches.whole_of] != owners).all()
    assert (owners[matches.window_of] != owners).all()


def test_the_search_in_blocks_is_exact(training):
    pictures = take_pictures(training[0][:110])
    rows = query_windows(pictures.take(np.arange(7))).flatten(0, 2)
    columns = pictures.windows().flatten(0, 1)
    best, place = _scan(rows, columns, [(0, 40), (40, 110)], NUM_PLACES)
    expected = (rows @ columns.T).max(dim=1)
    torch.testing.assert_close(best, expected.values)
    assert (place == expected.indices).all()


def test_pictures_turn_as_tiles_do(training):
    for version in range(NUM_VERSIONS):
        turned = take_pictures(np.ascontiguousarray(transform(training[0][0], version))[None])
        expected = turn(take_pictures(training[0][:1]).pixels, version)
        torch.testing.assert_close(turned.pixels, expected, atol=1e-5, rtol=0)


def test_where_nothing_can_be_told_it_is_said(training):
    """Glass is like all glass."""
    glass = np.full((210, 64, 64, 3), 240, np.uint8)
    owners = [f"P{i % 5}" for i in range(210)]
    effort = Effort(null=60, planted=20, kinds=THRESHOLDS)
    detector = calibrate(glass, owners, glass, seed=0, effort=effort)
    assert not detector.is_able
    assert tell(rate_of(np.zeros(20, bool)), detector).startswith("Cannot tell: ")


@pytest.mark.parametrize(("num", "upper"), [(300, 0.01), (1000, 0.003), (3000, 0.001)])
def test_none_found_bounds_the_rate(num, upper):
    assert rate_of(np.zeros(num, bool)).high == pytest.approx(upper, rel=0.02)


def test_too_few_training_tiles_are_refused():
    real, synthetic = make_set("real", 3), make_set("synthetic", 1, start=100)
    found = measure_copies(real, synthetic, seed=0)
    assert "147 training tiles of 2 patients or more; 200 would do" in found.figures[0].refused


def test_a_damaged_record_of_copies_is_one_line(tmp_path):
    path = tmp_path / screen.RECORD
    path.write_text("tile,like,whole,window\n001,b,.9,.8\n")
    assert screen.read_dropped(tmp_path) == {"001"}
    for data in (b"", b"\xff\xfe", b"tiles\n1\n", b'tile\n"open'):
        path.write_bytes(data)
        with pytest.raises(BadInput, match=r"copies\.csv: damaged .* delete the folder"):
            screen.read_dropped(tmp_path)


def test_one_copy_found_bounds_no_lower_than_none(detector):
    """Less false alarms, the upper end of 1 of 256 lay below that of 0 of 256."""
    alarmed = replace(detector, false_alarms=rate_of(np.arange(600) < 12))
    ends = [correct(rate_of(np.arange(256) < found), alarmed)[2] for found in range(4)]
    assert ends == sorted(ends) and ends[0] >= rate_of(np.zeros(256, bool)).high
