"""Exported weights: what `disc.load` and diffusers make of the folder, and what is refused."""

import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file

import disc
from disc.data.tiles.records import Slide, Tile
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet
from disc.model.store import save_weights
from disc.pipeline.config_file import read_config
from disc.pipeline.configurations import Configuration
from disc.pipeline.context import Context
from disc.pipeline.stages.pixel_graders import grader_path
from disc.pipeline.weights import export as exporting
from disc.pipeline.weights.export import export_run
from disc.pipeline.weights.request import ExportRequest
from disc.pipeline.weights.trained import TrainedWeights
from disc.sample.synthesis import ShapeBook
from tests.tiny_run import write_tiny_run

SIDE = 64
TILE = Tile(name="a", slide_id="s", image=Path("a.png"), mask=None, x=0, y=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def out(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "tiny"
    export(run, folder)
    return folder


def export(run, out, **options):
    return export_run(ExportRequest(run=run, out=out, **{"shapes": False, **options}))


def pretend_data(monkeypatch, shapes, known):
    """A run's training data: shape maps, and labels that are known."""
    monkeypatch.setattr(Context, "book", ShapeBook(shapes, [TILE] * len(shapes)))
    monkeypatch.setattr(Context, "latents", SimpleNamespace(known=lambda: known))
    slide = Slide(slide_id="s", patient_id="s", primary=4, secondary=5)
    monkeypatch.setattr(TrainedWeights, "slides", [slide])


def halves():
    masks = np.zeros((2, SIDE, SIDE), np.uint8)
    masks[:, :, SIDE // 2 :] = 2
    return masks


def test_the_door_opens_the_folder_as_it_does_the_run(run, out):
    trained, exported = disc.load(run), disc.load(out)
    for name in ("variants", "tile_px", "um_per_px"):
        assert getattr(exported, name) == getattr(trained, name)
    assert exported.um_per_px == 4.0
    for variant in ("sd-sc", "sd-disc"):
        tiles = exported.sample(halves(), variant=variant, steps=2, seed=3)
        assert np.array_equal(tiles, trained.sample(halves(), variant=variant, steps=2, seed=3))
    assert np.array_equal(exported.segment(tiles), trained.segment(tiles))
    with pytest.raises(BadInput, match="no variant 'sd-dics' in it; it has sd, sd-sc, sd-disc"):
        exported.sample(halves(), variant="sd-dics")


def test_diffusers_loads_every_part_by_its_class(run, out):
    index = json.loads((out / "model_index.json").read_text())
    parts = {name: kind for name, kind in index.items() if not name.startswith("_")}
    loaded = {
        name: getattr(diffusers, kind).from_pretrained(out, subfolder=name)
        for name, (_, kind) in parts.items()
    }
    assert set(loaded) == {"unet", "vqvae", "scheduler"}
    denoiser = disc.load(run).weights.context.denoiser("sd-disc")
    unet = type(loaded["unet"]).from_pretrained(out, subfolder="unet", variant="sd-disc")
    for name, value in denoiser.unet.state_dict().items():
        assert torch.equal(unet.state_dict()[name], value)
    found = loaded["scheduler"].config
    expected = {
        "beta_start": 0.0015,
        "beta_end": 0.0195,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "steps_offset": 1,
        "prediction_type": "v_prediction",
    }
    assert {name: found[name] for name in expected} == expected
    # the README says that no pipeline takes the whole folder
    with pytest.raises(ValueError, match="DiffusionPipeline"):
        DiffusionPipeline.from_pretrained(out)


def test_halves_take_half_the_space_and_are_loaded_as_floats(run, out, tmp_path):
    export(run, tmp_path / "half", dtype="float16")
    for path in out.rglob("*.safetensors"):
        small = tmp_path / "half" / path.relative_to(out)
        assert small.stat().st_size < 0.6 * path.stat().st_size
        found = load_file(small)
        for name, value in load_file(path).items():
            assert torch.equal(found[name], value.half() if value.is_floating_point() else value)
    unet = disc.load(tmp_path / "half").weights.sampler("sd").denoisers["sd"].unet
    assert unet.dtype == torch.float32


def test_what_a_half_cannot_hold_is_refused(tmp_path):
    run = write_tiny_run(tmp_path / "run", variants=("sd",))
    path = run / "denoiser" / "sd" / "condition.safetensors"
    weights = load_file(path)
    weights["tokens.norm.bias"][0] = 1e6
    save_file(weights, path)
    with pytest.raises(BadInput, match=r"'tokens.norm.bias' holds values .* store it as float32"):
        export(run, tmp_path / "out", dtype="float16")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_recipes_are_those_of_the_run(run, tmp_path, monkeypatch):
    shape = np.zeros((SIDE, SIDE), np.uint8)
    shape[:8] = 1
    shapes = [np.zeros_like(shape), shape, np.zeros_like(shape), shape.T.copy()]
    pretend_data(monkeypatch, shapes, known=[0, 2, 3])
    export(run, tmp_path / "out", shapes=True)
    assert len(np.load(tmp_path / "out" / "shapes.npz")["shapes"]) == 3
    trained, exported = disc.load(run), disc.load(tmp_path / "out")
    masks = exported.recipe(4, 5, tiles=9, seed=2)
    assert np.array_equal(masks, trained.recipe(4, 5, tiles=9, seed=2))
    assert set(np.unique(masks)) == {0, 2, 3}
    with pytest.raises(BadInput, match="GG3 is absent from training tiles"):
        exported.recipe(3, 4)
    damaged = io.BytesIO()
    np.savez(damaged, shapes=shapes)
    (tmp_path / "out" / "shapes.npz").write_bytes(damaged.getvalue())
    facts = json.loads((tmp_path / "out" / "disc.json").read_text())
    # older exports hold no hashes
    (tmp_path / "out" / "disc.json").write_text(json.dumps({**facts, "files": {}}))
    with pytest.raises(BadInput, match=r"shapes\.npz: damaged .* export the weights again"):
        disc.load(tmp_path / "out").recipe(4, 5)


def test_without_shapes_there_are_no_recipes(out):
    with pytest.raises(BadInput, match="exported without shapes of training masks") as caught:
        disc.load(out).recipe(4, 5)
    assert "\n" not in str(caught.value)


def test_the_first_variant_asked_for_is_the_one_without_a_name(run, tmp_path):
    said = export(run, tmp_path / "out", variants=("sd-disc", "sd-sc"))
    assert "sd, sd-sc, sd-disc as float32" in said
    files = {path.name for path in (tmp_path / "out" / "unet").glob("*.safetensors")}
    stem = "diffusion_pytorch_model"
    assert files == {f"{stem}.safetensors", f"{stem}.sd.safetensors"}
    for variant in ("sd", "sd-disc"):
        tiles = disc.load(tmp_path / "out").sample(halves(), variant=variant, steps=1)
        assert np.array_equal(tiles, disc.load(run).sample(halves(), variant=variant, steps=1))


def test_an_export_that_fails_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(exporting, "write_card", fail)
    with pytest.raises(OSError, match="disk full"):
        export(run, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, r"disc\.json: version 2, expected 1; export the weights again"),
        ({"tile_px": "wide"}, r"disc\.json: tile_px: .* export the weights again"),
        ({"weights": []}, r"disc\.json: .*weights: none of any variant"),
        ({"extra": 1}, r"disc\.json: extra: no such setting"),
    ],
)
def test_damaged_facts_are_one_line(change, said, out, tmp_path):
    facts = json.loads((out / "disc.json").read_text())
    (tmp_path / "disc.json").write_text(json.dumps({**facts, **change}))
    with pytest.raises(BadInput, match=said) as caught:
        disc.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def graded(run, tmp_path_factory):
    """An export with all that one may hold, found sound."""
    place = tmp_path_factory.mktemp("graded")
    shutil.copytree(run, place / "run")
    context = Context(read_config(place / "run" / "config.json"), place / "run")
    path = grader_path(context, Configuration())
    save_weights(path, CarcinoNet(context.run.grade.carcino))
    shape = np.zeros((SIDE, SIDE), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        pretend_data(patch, [shape, shape.copy()], known=[0, 1, 2, 3])
        export(place / "run", place / "out", shapes=True)
    use_all(place / "out")
    return place / "out"


def use_all(folder):
    model = disc.load(folder)
    model.recipe(4, 5, tiles=1)
    assert isinstance(model.weights.pixel_grader(), CarcinoNet)
    model.segment(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    model.sample(halves(), variant="sd", steps=1)


@pytest.mark.parametrize(
    "name", ["unet", "condition_encoder", "vqvae", "referee", "grader", "shapes.npz"]
)
def test_a_changed_file_is_refused_where_it_is_read(graded, tmp_path, name):
    shutil.copytree(graded, tmp_path / "out")
    place = tmp_path / "out" / name
    (file,) = [place] if place.is_file() else sorted(place.glob("*.safetensors"))[:1]
    content = bytearray(file.read_bytes())
    # a bit of the last weight: the file still loads
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BadInput, match=rf"{file.name}: not what was exported"):
        use_all(tmp_path / "out")


def test_no_grader_is_said(out):
    with pytest.raises(BadInput, match="exported without a pixel grader"):
        disc.load(out).weights.pixel_grader()
