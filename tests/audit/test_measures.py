"""Seams, sharpness and distances: planted faults are found, and equal sets have none."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import scipy.linalg
import torch

from disc.audit.copies.wear import soften
from disc.audit.encoders import View, encode, see, texture
from disc.audit.look.distances import (
    coverage_measures,
    frechet_distance,
    moments,
)
from disc.audit.look.halves import halve
from disc.audit.look.nearness import measure_nearness
from disc.audit.look.probe import measure_probe
from disc.audit.look.tissue import measure_look
from disc.audit.request import AuditEncoder
from disc.audit.seams.steps import measure_seams
from disc.audit.sets import hold_arrays
from disc.audit.summary import judge
from disc.files import BadInput
from disc.grade.encoders.table import PUBLIC
from tests.audit.made_tiles import make_set, make_tiles


@pytest.fixture(scope="module")
def real():
    return make_set("real", 8, side=192)


@pytest.fixture(scope="module")
def other():
    """Real tiles of other patients."""
    return make_tiles(6, start=200, side=192)


@pytest.fixture(scope="module")
def like(other):
    return hold_arrays("like", *other, 4.0)


@pytest.fixture(scope="module")
def plain_seams(real, like):
    return by_name(measure_seams(real, like))


@pytest.fixture(scope="module")
def blurred(other):
    images, masks, owners = other
    return hold_arrays("blurred", soften(images, 1.0), masks, owners, 4.0)


def by_name(figures):
    return {one.name: one for one in figures}


def test_tiles_of_one_colour_are_measured_and_have_no_seam(real, other):
    images, masks, owners = other
    flat = hold_arrays("flat", np.full_like(images, 200), masks, owners, 4.0)
    assert by_name(measure_seams(real, flat))["seam"].value == 0


def step_at_borders(tiles, levels):
    """Every other label of a tile lighter or darker by some grey levels: neighbours differ."""
    images, masks, owners = tiles
    stepped = images.astype(int)
    rng = np.random.default_rng(0)
    for image, mask in zip(stepped, masks, strict=True):
        image[mask % 2 == 1] += levels * rng.choice([-1, 1])
    return hold_arrays("stepped", stepped.clip(0, 255).astype(np.uint8), masks, owners, 4.0)


def test_where_no_step_is_none_is_found(plain_seams):
    assert not any(plain_seams[name].low > 0 for name in ("seam", "seam.beyond-real"))


@pytest.mark.parametrize("levels", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_steps_of_two_grey_levels_are_found(levels, real, other):
    figures = by_name(measure_seams(real, step_at_borders(other, levels)))
    for name in ("seam", "seam.beyond-real"):
        figure = figures[name]
        assert figure.low > 0, figure
        assert figure.value == pytest.approx(levels, abs=0.7)
    # they stand at the border alone
    assert abs(figures["step.+3"].value) < levels / 2


def test_a_lattice_is_found(real, other, plain_seams):
    images, masks, owners = other
    ripple = 3 * np.cos(2 * np.pi * np.arange(64) / 4)
    rippled = np.rint(images + ripple[None, None, :, None]).clip(0, 255).astype(np.uint8)
    after = by_name(measure_seams(real, hold_arrays("rippled", rippled, masks, owners, 4.0)))
    assert after["lattice.4"].low > plain_seams["lattice.4"].high
    assert after["lattice.8"].value == pytest.approx(plain_seams["lattice.8"].value, rel=0.15)


def test_blur_is_seen(real, like, blurred):
    plain, soft = (by_name(measure_look(real, held, seed=0)) for held in (like, blurred))
    for label in ("NC", "GG3", "GG4", "GG5"):
        assert soft[f"gradient.{label}"].high < 0.9
        assert plain[f"gradient.{label}"].value == pytest.approx(1, abs=0.15)
    near, far = (
        by_name(measure_nearness("texture", see("texture", real, held, None), real, held, seed=0))
        for held in (like, blurred)
    )
    assert far["kid.texture"].low > far["kid.texture"].floor_high
    assert near["kid.texture"].value < far["kid.texture"].value / 20
    assert far["coverage.texture"].high < near["coverage.texture"].value


def test_fibres_that_run_every_way_are_seen(real):
    """Waves along one direction a tile, whichever it is, against waves along two."""
    y, x = np.mgrid[: real.images.shape[1], : real.images.shape[2]]

    def waves(turns):
        rng, images = np.random.default_rng(0), []
        for _ in real.images:
            angle = rng.uniform(0, np.pi)
            parts = [np.sin((x * np.cos(a) + y * np.sin(a)) / 2) for a in angle + np.array(turns)]
            images.append(np.rint(160 + 60 * np.mean(parts, axis=0)))
        grey = np.stack(images)[..., None].repeat(3, axis=3)
        return hold_arrays("waves", grey.astype(np.uint8), real.masks, list(real.patients), 4.0)

    one, other, crossed = waves([0]), waves([0.4]), waves([0, np.pi / 2])
    same, fewer = (by_name(measure_look(one, held, seed=0)) for held in (other, crossed))
    for label in ("NC", "GG4"):
        assert same[f"coherence.{label}"].value == pytest.approx(1, abs=0.05)
        assert fewer[f"coherence.{label}"].high < 0.5


def test_a_stain_that_is_stronger_in_one_colour_is_measured_in_it(real):
    """Optical densities times 1.3 in green: mean and deviation are 1.3 there, and 1 elsewhere."""
    densities = -np.log10((real.images + 1.0) / 256)
    densities[..., 1] *= 1.3
    images = np.rint(256 * 10**-densities - 1).clip(0, 255).astype(np.uint8)
    made = hold_arrays("made", images, real.masks, list(real.patients), 4.0)
    found = by_name(measure_look(real, made, seed=0))
    for measure in ("stain-mean", "stain-deviation"):
        values = [found[f"{measure}.GG4:{colour}"].value for colour in ("red", "green", "blue")]
        np.testing.assert_allclose(values, [1, 1.3, 1], atol=0.02)
    assert judge(found["stain-mean.GG4:green"]) == "worse"


def test_a_probe_tells_blurred_tiles_and_not_others(real, like, blurred):
    plain, soft = (
        measure_probe(see("texture", real, held, None), real, held, seed=0)
        for held in (like, blurred)
    )
    assert soft.low > 0.95
    assert plain.value < 0.75


def test_a_probe_of_noise_is_at_chance_whatever_the_sizes_of_patients():
    rng = np.random.default_rng(0)
    owners = [
        np.repeat([f"{kind}{n}" for n in range(20)], rng.permutation(5 * np.arange(1, 21)))
        for kind in "RS"
    ]
    views = [rng.normal(size=(len(part), 30)) for part in owners]
    drawn = [rng.integers(0, 256, (len(part), 32, 32, 3), np.uint8) for part in owners]
    sets = [hold_arrays("n", b, b[..., 0], o, 4.0) for b, o in zip(drawn, owners, strict=True)]
    view = View(np.arange(len(owners[0])), *views)
    found = measure_probe([view], *sets, seed=0)
    assert abs(found.value - 0.5) < 0.08 and abs(found.floor - 0.5) < 0.08


@pytest.mark.parametrize("sizes", [[100, 60, 40, 30, 20, 10, 5, 5], [80, 60, 40, 20, 10]])
def test_the_floor_of_few_uneven_patients_is_near_chance(sizes):
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        owners = [np.repeat([f"{kind}{n}" for n in range(len(sizes))], sizes) for kind in "RS"]
        drawn = [rng.integers(0, 256, (len(part), 32, 32, 3), np.uint8) for part in owners]
        sets = [hold_arrays("n", b, b[..., 0], o, 4.0) for b, o in zip(drawn, owners, strict=True)]
        noise = (rng.normal(size=(len(part), 30)) for part in owners)
        found.append(measure_probe([View(np.arange(sum(sizes)), *noise)], *sets, seed=seed))
    for name in ("value", "floor"):
        assert abs(np.mean([getattr(one, name) for one in found]) - 0.5) < 0.1


@pytest.mark.parametrize(("patients", "has_floor"), [(4, False), (6, False), (8, True)])
def test_a_probe_on_half_of_few_patients_has_no_floor(patients, has_floor, like):
    few = make_set("few", patients, side=192)
    half = np.flatnonzero(np.isin(few.patients, sorted(set(few.patients))[: patients // 2]))
    rng = np.random.default_rng(0)
    drawn = [rng.normal(size=(len(part), 8)) for part in (half, like)]
    few_tiles = View(np.repeat(half, 4), np.repeat(drawn[0], 4, axis=0), drawn[1])
    found = measure_probe([few_tiles], few, like, seed=0)
    assert np.isfinite(found.value) and np.isfinite(found.floor) == has_floor


def test_too_few_tiles_are_refused_with_the_number_that_would_do(real, other):
    images, masks, owners = (part[:12] for part in other)
    few = hold_arrays("few", images, masks, owners, 4.0)
    figures = [
        *measure_seams(real, few),
        *measure_look(real, few, seed=0),
        *measure_nearness("texture", see("texture", real, few, None), real, few, seed=0),
        measure_probe(see("texture", real, few, None), real, few, seed=0),
    ]
    assert all("would do" in one.refused and np.isnan(one.value) for one in figures)
    assert "; 25 would do" in by_name(figures)["kid.texture"].refused
    more = hold_arrays("more", *(part[:120] for part in other), 4.0)
    near = measure_nearness("texture", see("texture", real, more, None), real, more, seed=0)
    assert not by_name(near)["kid.texture"].refused
    refused = by_name(near)["frechet.texture"].refused
    assert re.search(r"^[56]\d tiles in the smallest part .*; 1[3-6]\d would do", refused)


def test_the_frechet_distance_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(90, 5)), rng.normal(0.3, 1.4, size=(80, 5))
    (mean, first), (centre, second) = moments(one), moments(other)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = np.square(mean - centre).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(expected)


def test_coverage_is_that_of_loops():
    rng = np.random.default_rng(0)
    real, made, k = rng.normal(size=(30, 3)), rng.normal(0.5, 1, size=(25, 3)), 5

    def reach(values):
        apart = np.linalg.norm(values[:, None] - values[None], axis=2)
        return np.sort(apart, axis=1)[:, k]

    apart = np.linalg.norm(real[:, None] - made[None], axis=2)
    inside = apart <= reach(real)[:, None]
    expected = [
        inside.any(axis=0).mean(),
        (apart <= reach(made)[None]).any(axis=1).mean(),
        inside.sum() / (k * len(made)),
        (apart.min(axis=1) <= reach(real)).mean(),
    ]
    np.testing.assert_allclose(coverage_measures(real, made), expected)


def test_halves_share_no_patient(real):
    rng = np.random.default_rng(0)
    one, other = halve(real.patients, 100, rng)
    assert len(one) == len(other) == 100
    assert not set(real.patients[one]) & set(real.patients[other])


def test_distances_of_one_patient_are_refused_with_the_number(real):
    """There are no halves whose distance would be the floor."""
    one = replace(real, patients=np.full(len(real), "only"))
    views = see("texture", one, real, None)
    for figure in measure_nearness("texture", views, one, real, seed=0):
        assert figure.refused.startswith("0 tiles in the smallest part")
        assert "by patient or slide: more of these" in figure.refused


def test_features_do_not_depend_on_the_batch(real):
    whole = encode(texture, real.images[:50])
    np.testing.assert_allclose(encode(texture, real.images[:50], 7), whole, atol=1e-4)


def test_a_public_encoder_reads_both_sets_with_the_weights_of_its_file(real, tmp_path, monkeypatch):
    """Through the one place that reads public encoders."""
    with pytest.raises(
        BadInput, match=r"no weights of uni .*name the folder with --encoder-weights"
    ):
        see("uni", real, real, None, tmp_path)

    class Network(torch.nn.Module):
        encoder = SimpleNamespace(width=3)
        mean = torch.zeros(1)

        def forward(self, images):
            return images.mean(dim=(2, 3))

    opened = []
    monkeypatch.setattr(
        "disc.audit.encoders.load_encoder", lambda *words: opened.append(words) or Network()
    )
    path = tmp_path / "uni.bin"
    path.touch()
    (view,) = see("uni", real, real, None, tmp_path)
    assert opened == [(path, "uni")]
    np.testing.assert_allclose(view.real, real.images.mean(axis=(1, 2)) / 255, atol=0.01)


def test_the_encoders_of_an_audit_are_those_that_disc_knows():
    assert set(get_args(AuditEncoder)) == {"embedded", "texture", *PUBLIC}
