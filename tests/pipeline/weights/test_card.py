"""The README of exported weights: its lines of plain diffusers give the pixels of the door."""

import ast
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import disc
from disc.model.autoencoder import Autoencoder
from disc.model.condition import ConditionEncoder
from disc.model.store import save_weights
from disc.pipeline.weights.export import export_run
from disc.pipeline.weights.request import ExportRequest
from disc.presets import smoke
from disc.settings.sampling import Solver
from tests.tiny_run import write_tiny_run

ALLOWED = {"hashlib", "numpy", "torch", "diffusers", "safetensors"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
FAST = "sd-disc-fast"


def write_run(folder, *, solver=None, variants=("sd",), **denoiser):
    """A tiny run, but for these settings, on whose tiles condition and scale tell."""
    run = smoke()
    run = replace(
        run,
        denoiser=replace(run.denoiser, **denoiser),
        sample=replace(run.sample, solver=solver or Solver(steps=3)),
        distil=replace(run.distil, variants=tuple(name for name in variants if name != "sd")),
        synthesis=replace(run.synthesis, variants=variants),
    )
    write_tiny_run(folder, run, variants)
    autoencoder = Autoencoder.load(folder / "latents" / "autoencoder")
    autoencoder.set_scale(1.7)
    torch.nn.init.normal_(autoencoder.vq.quantize.embedding.weight, std=1.7)
    autoencoder.save(folder / "latents" / "autoencoder")
    for path in folder.glob("denoiser/*/condition.safetensors"):
        encoder = ConditionEncoder(run.denoiser)
        for weight in encoder.parameters():
            weight.data += torch.randn_like(weight)
        save_weights(path, encoder)
    return folder


def export(run, out, **options):
    export_run(ExportRequest(run=run, out=out, shapes=False, **options))
    return (out / "README.md").read_text()


def lines_of(text):
    """The lines of plain diffusers, which import nothing of ours."""
    code = "\n".join(BLOCK.findall(text.split("## With diffusers alone")[1]))
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED
        if isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] in ALLOWED
    return code


def run_lines(text, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {}
    exec(compile(lines_of(text), "README.md", "exec"), names)
    return names


def assert_same_pixels(found, expected):
    """At most 0.1 % of 8-bit values differ by more than 1, of tiles that are not grey."""
    assert found.dtype == np.uint8 and found.shape == expected.shape and expected.std() > 5
    assert (np.abs(found.astype(int) - expected) > 1).mean() <= 0.001


SOLVERS = {
    "ddim along a list, tokens": {
        **{"solver": Solver(name="ddim", steps=3), "token_stride": 8},
        "condition": "crossattn",
    },
    "unipc, noise, channels": {
        **{"solver": Solver(name="unipc", steps=3), "predicts": "eps"},
        "condition": "concat",
    },
    "guidance": {
        **{"solver": Solver(steps=4, guidance=2.0, guidance_interval=(200, 999))},
        **{"condition_dropout": 0.1, "variants": ("sd", FAST)},
    },
    "ddim of diffusers": {"solver": Solver(name="ddim", steps=10, spacing="leading")},
    "zero terminal": {"solver": Solver(steps=6, spacing="trailing"), "zero_terminal_snr": True},
}


def test_the_lines_give_the_tiles_of_every_variant(tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", variants=("sd", "sd-disc", FAST))
    names = run_lines(export(run, tmp_path / "out"), tmp_path / "out", monkeypatch)
    model, tiles, masks = disc.load(run), names["tiles"], names["masks"]
    assert tuple(tiles) == ("sd", "sd-sc", "sd-disc", FAST) and set(tiles) == set(model.variants)
    assert set(np.unique(masks)) == {0, 2, 255}
    for name, found in tiles.items():
        assert_same_pixels(found, model.sample(masks, variant=name, seed=1))
    changed = [np.abs(tiles["sd"].astype(int) - tiles[name]) > 1 for name in list(tiles)[1:]]
    assert min(part.mean() for part in changed) > 0.01
    other = np.random.default_rng(0).integers(0, 4, masks.shape).astype(np.uint8)
    found = names["decode"](names["denoise"](other, seed=9))
    assert_same_pixels(found, model.sample(other, variant=FAST, seed=9))


@pytest.mark.parametrize(
    "name",
    [
        *list(SOLVERS)[:3],
        *(pytest.param(name, marks=pytest.mark.slow) for name in list(SOLVERS)[3:]),
    ],
)
def test_the_lines_follow_solver_and_condition(name, tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", **SOLVERS[name])
    names = run_lines(export(run, tmp_path / "out"), tmp_path / "out", monkeypatch)
    for variant, found in names["tiles"].items():
        expected = disc.load(run).sample(names["masks"], variant=variant, plan=None, seed=1)
        assert_same_pixels(found, expected)


def test_the_lines_take_halves(tmp_path, monkeypatch):
    """Stored as float16, weights are those that the door loads from the folder too."""
    run = write_run(tmp_path / "run")
    text = export(run, tmp_path / "out", dtype="float16")
    names = run_lines(text, tmp_path / "out", monkeypatch)
    masks = names["masks"]
    assert_same_pixels(
        names["tiles"]["sd"], disc.load(tmp_path / "out").sample(masks, variant="sd", seed=1)
    )
    assert "| stored as | float16, loaded as float32 |" in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"condition": "layout"}, "Not shown: the encoder of the condition layout is more than"),
        ({"solver": Solver(name="ddim", eta=0.5)}, "Not shown: the solver adds noise"),
    ],
)
def test_where_lines_would_be_many_the_card_says_so(changed, said, tmp_path):
    run = write_run(tmp_path / "run", **changed)
    text = export(run, tmp_path / "out")
    assert said in text and not BLOCK.findall(text)


def test_the_card_names_the_data_and_no_path(tmp_path):
    run = smoke()
    run = replace(run, data=replace(run.data, root=tmp_path / "lab" / "SICAPv2", um_per_px=9.5))
    folder = write_tiny_run(tmp_path / "run", run)
    text = export(folder, tmp_path / "out")
    assert "real tiles of the data set `SICAPv2`, fold Val1" in text
    assert "width of a pixel not recorded" in text and "Research use only" in text
    for path in (tmp_path / "out").rglob("*.*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
    simulated = export(write_run(tmp_path / "other"), tmp_path / "second")
    assert "simulated tissue" in simulated and "4 µm per px" in simulated
