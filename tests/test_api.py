"""The public door, on a run of untrained networks: what it takes, gives and refuses."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import disc
from disc.files import BadInput
from disc.sample.sampler import Sampler
from disc.sample.synthesis import ShapeBook
from disc.settings.sampling import Solver
from tests.tiny_run import write_tiny_run

SIDE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def model(folder):
    return disc.load(folder)


@pytest.fixture(scope="module")
def masks():
    halves = np.zeros((2, SIDE, SIDE), np.uint8)
    halves[0, :, SIDE // 2 :] = 2
    halves[1] = 3
    return halves


def test_importing_disc_leaves_torch_unloaded():
    code = "import sys, disc; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tiles_are_those_of_the_sampler(model, masks):
    """What the door adds are checks, and seeds: the pixels are those of the sampler below it."""
    assert model.variants == ("sd", "sd-sc", "sd-disc")
    tiles = model.sample(masks, variant="sd-disc", steps=3, seed=[7, 8])
    run = model.weights.context.run
    settings = replace(run.sample, solver=replace(run.sample.solver, steps=3))
    sampler = Sampler(
        model.weights.context.autoencoder,
        {"sd-disc": model.weights.context.denoiser("sd-disc")},
        settings,
    )
    assert tiles.dtype == np.uint8 and tiles.shape == (2, SIDE, SIDE, 3)
    assert np.array_equal(tiles, sampler.generate("sd-disc", masks, [7, 8]))


def test_a_tile_has_a_stream_of_its_own(model, masks):
    """Alone or beside others it is the same, to a grey level; another seed gives another."""
    both = model.sample(masks, variant="sd", steps=2, seed=5).astype(int)
    one = model.sample(masks[0], variant="sd", steps=2, seed=5).astype(int)
    assert one.shape == (SIDE, SIDE, 3)
    assert np.abs(both[0] - one).max() <= 1
    assert np.abs(model.sample(masks[0], variant="sd", steps=2, seed=6) - one).max() > 1


def test_of_one_label_separated_conditions_are_plain(model, masks):
    plain = model.sample(masks, variant="sd", steps=2).astype(int)
    for plan in ("end", "step", "switch@0.5"):
        apart = model.sample(masks, variant="sd-sc", plan=plan, steps=2).astype(int)
        assert np.abs(plain[1] - apart[1]).max() <= 1
        assert np.abs(plain[0] - apart[0]).max() > 1


def test_steps_are_those_asked_for(model):
    sampler = model._sampler("sd", 4)
    assert sampler.solvers["sd"] == replace(model.weights.context.run.sample.solver, steps=4)
    assert isinstance(sampler.solvers["sd"], Solver)


def test_the_referee_reads_tiles(model, masks):
    tiles = model.sample(masks, variant="sd", steps=1)
    labels = model.segment(tiles)
    assert labels.shape == (2, SIDE, SIDE) and labels.max() <= 3
    assert np.array_equal(model.segment(tiles[1]), labels[1])


def test_masks_of_sicapv2_become_classes():
    values = np.array([[0, 3], [4, 5], [255, 0]])
    assert disc.masks_from_sicapv2(values).tolist() == [[0, 1], [2, 3], [255, 0]]
    with pytest.raises(BadInput, match=r"mask value 2; SICAPv2's masks hold 0, 3, 4, 5 or 255"):
        disc.masks_from_sicapv2(np.array([2]))


def test_a_score_that_no_shape_can_serve_is_refused(folder):
    """A benign slide has one label, so shapes of two regions are none of its."""
    model, shape = disc.load(folder), np.zeros((SIDE, SIDE), np.uint8)
    shape[:8] = 1
    model.weights.context.__dict__["book"] = ShapeBook([shape], [])
    model.weights.context.__dict__["latents"] = SimpleNamespace(known=lambda: [0, 1, 2, 3])
    assert set(np.unique(model.recipe(3, 4, tiles=2))) <= {0, 1, 2, 3}
    with pytest.raises(BadInput, match=r"recipe 0\+0: every shape map has more than the 1 labels"):
        model.recipe(0, 0, tiles=2)
    same = [model.recipe(3, 4, tiles=2, seed=seed) for seed in (7, np.int64(7))]
    np.testing.assert_array_equal(*same)
    with pytest.raises(BadInput, match=r"seed 1\.5; expected a whole number"):
        model.recipe(3, 4, tiles=2, seed=1.5)


SICAPV2_VALUES = np.full((SIDE, SIDE), 4, np.uint8)


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        (SICAPV2_VALUES, {}, r"mask value 4; .* give masks_from_sicapv2\(masks\)"),
        (np.full((SIDE, SIDE), 77), {}, "mask value 77; expected classes 0 to 3, or 255$"),
        (np.zeros((SIDE, SIDE)), {}, "masks of float64"),
        (np.zeros((32, 64), int), {}, r"masks of shape \(32, 64\); expected \[N, 64, 64\]"),
        (np.zeros((0, 64, 64), int), {}, r"masks of shape \(0, 64, 64\)"),
        (np.full((1, SIDE, SIDE), 255), {}, "mask 0: 255 everywhere"),
        (np.zeros((SIDE, SIDE), int), {"variant": "sd-dics"}, "no variant 'sd-dics' in it"),
        (np.zeros((SIDE, SIDE), int), {"variant": "sd-disc-cotrain"}, "it has sd, sd-sc, sd-disc"),
        (np.zeros((SIDE, SIDE), int), {"plan": "and"}, "plan 'and': no plan; expected end"),
        (np.zeros((SIDE, SIDE), int), {"plan": "end", "variant": "sd"}, "only sd-sc fuses"),
        (np.zeros((SIDE, SIDE), int), {"steps": 0}, "0 steps; expected a whole number, 1"),
        (np.zeros((SIDE, SIDE), int), {"steps": 2.5}, r"2\.5 steps; expected a whole number"),
        (np.zeros((SIDE, SIDE), int), {"seed": [1, 2]}, r"2 seeds for 1 mask\(s\)"),
        (np.zeros((SIDE, SIDE), int), {"seed": 1.5}, "seed 1.5; expected a whole number"),
        (np.zeros((SIDE, SIDE), int), {"seed": [0.5]}, "expected a whole number, or one a mask"),
        (np.zeros((SIDE, SIDE), int), {"seed": [[1], [2, 3]]}, "expected a whole number, or one"),
    ],
)
def test_what_cannot_be_is_refused(model, given, options, said):
    with pytest.raises(BadInput, match=said) as caught:
        model.sample(given, **options)
    assert "\n" not in str(caught.value)


def test_what_are_no_tiles_is_refused(model):
    with pytest.raises(BadInput, match=r"tiles of shape \(64, 64\), float64; expected uint8"):
        model.segment(np.zeros((64, 64)))
    for shape in ((100, 100, 3), (1, 32, 64, 3), (0, 64, 64, 3), (2, 1, 64, 64, 3)):
        with pytest.raises(BadInput, match=r"expected uint8 \[N, 64, 64, 3\], the side of this"):
            model.segment(np.zeros(shape, np.uint8))


def test_numbers_that_are_no_whole_ones_are_refused(model):
    with pytest.raises(BadInput, match=r"2\.5 tiles; expected a whole number, 1 or more"):
        model.recipe(4, 5, tiles=2.5)
    with pytest.raises(BadInput, match="masks of float64; expected whole numbers"):
        disc.masks_from_sicapv2(np.zeros((4, 4)))


def test_what_is_no_run_is_refused(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match=r"no config\.json in it; give the folder of a run"):
        disc.load(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(BadInput, match="no trained denoiser in it"):
        disc.load(tmp_path)
    with pytest.raises(AttributeError, match="has no attribute 'lead'"):
        _ = disc.lead


def test_without_weights_inside_it_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setattr("disc.api.SHIPPED", tmp_path)
    with pytest.raises(FileNotFoundError, match="has no weights inside; give the folder of a run"):
        disc.load()
