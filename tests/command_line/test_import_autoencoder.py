"""The command `disc import`, and an imported autoencoder in a run."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import VQModel
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from disc import cli
from disc.model.autoencoder import Autoencoder
from disc.pipeline.context import Context
from disc.pipeline.stage import run_stages
from disc.pipeline.stage_list import generator_stages
from disc.presets import smoke
from disc.settings.training import Optim
from tests.model.compvis_reference import as_checkpoint, draw_network
from tests.model.small_vq import build_small_vq
from tests.model.test_foreign import here

__all__ = ["here"]


@pytest.fixture
def checkpoint(tmp_path):
    torch.save(as_checkpoint(draw_network()), tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "tiles").mkdir()
    for number in range(7):
        pixels = rng.integers(30 * number, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "tiles" / f"tile{number}.png")
    return tmp_path / "tiles"


@pytest.mark.usefixtures("here")
def test_import_and_check(checkpoint, images, tmp_path, capsys):
    out = tmp_path / "vq"
    words = ["import", "--source", str(checkpoint), "--out", str(out), "--check", str(images)]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "with attention, 64 codes" in said
    assert "checked on 7 of 7 tiles of 64 px" in said
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]
    facts = json.loads((tmp_path / "vq-check.json").read_text())
    assert [row["psnr"] for row in facts["worst"]] == sorted(r["psnr"] for r in facts["worst"])
    expected = psnr_of(out, images)
    assert {r["tile"]: pytest.approx(r["psnr"], abs=1e-3) for r in facts["worst"]} == expected
    assert facts["psnr"]["mean"] == pytest.approx(np.mean(list(expected.values())), abs=1e-3)
    assert facts["codebook"]["num_latents"] == 7 * 16 * 16
    with Image.open(tmp_path / "vq-check.png") as picture:
        assert picture.height > 2 * picture.width


def psnr_of(folder, images):
    """With diffusers' own loader and scikit-image."""
    vq, found = VQModel.from_pretrained(folder), {}
    for path in sorted(images.iterdir()):
        tile = np.array(Image.open(path))
        with torch.no_grad():
            image = torch.from_numpy(tile).permute(2, 0, 1)[None].float() / 127.5 - 1
            again = vq(image).sample[0].permute(1, 2, 0).clamp(-1, 1)
        pixels = ((again + 1) * 127.5).round().byte().numpy()
        found[path.stem] = peak_signal_noise_ratio(tile, pixels)
    return found


def test_a_folder_is_checked_alone_and_on_fewer_tiles(images, tmp_path, capsys):
    folder = tmp_path / "own"
    vq = build_small_vq()
    vq.save_pretrained(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    words = ["import", "--source", str(folder), "--check", str(images), "--num-check", "3"]
    assert cli.main(words) == 0
    assert "3 of 7 tiles" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert len(json.loads((tmp_path / "own-check.json").read_text())["worst"]) == 3


def test_what_is_wrong_is_one_line_and_exit_code_2(checkpoint, images, tmp_path, capsys):
    source = ["import", "--source", str(checkpoint)]
    out = ["--out", str(tmp_path / "vq")]
    for words, expected in [
        (source, "nothing to do"),
        ([*source, "--out", str(images)], "holds files already"),
        ([*source, *out, "--check", str(tmp_path / "nowhere")], "nowhere"),
        ([*source, *out, "--check", str(images), "--tile-px", "30"], "multiple of 4"),
        (["import", "--source", str(tmp_path / "no.ckpt"), *out], "no such checkpoint"),
    ]:
        assert cli.main(words) == 2
        error = capsys.readouterr().err
        assert expected in error
        assert error.count("\n") == 1
    assert not (tmp_path / "vq").exists()


def write_foreign(folder):
    """As diffusers writes it, with 0.18215 for its scale."""
    torch.manual_seed(1)
    vq = build_small_vq()
    vq.save_pretrained(folder)
    assert vq.config.scaling_factor == 0.18215


@pytest.mark.parametrize("finetune", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_in_a_run_the_scale_is_measured(tmp_path, monkeypatch, capsys, finetune):
    # drawing a few slides is faster than starting processes for it
    monkeypatch.setattr("disc.processes.allowed_cores", lambda: 1)
    write_foreign(tmp_path / "source")
    run = smoke()
    optim = Optim(steps=2, batch=4, lr=1e-4) if finetune else run.autoencoder.optim
    settings = replace(run.autoencoder, source=tmp_path / "source", finetune=finetune, optim=optim)
    phantom = replace(
        run.phantom,
        slides=(1, 1, 1, 1),
        test_slides=(1, 0, 0, 0),
        external_slides=(1, 0, 0, 0),
        referee_slides=(1, 0, 0, 0),
        core_um=(300.0, 400.0),
    )
    run = replace(run, autoencoder=settings, phantom=phantom, until="latents")
    context = Context(run, tmp_path / "run")
    records = run_stages(generator_stages(context), context.folder, until="latents", say=str)
    said = {record.name: record.what for record in records}["autoencoder"]
    assert ("codes used" in said) == finetune
    autoencoder = Autoencoder.load(context.folder / "latents" / "autoencoder")
    tiles = context.split.train
    plain = VQModel.from_pretrained(context.folder / "autoencoder")
    images = torch.stack([torch.from_numpy(tiles.image(i)) for i in range(len(tiles))])
    with torch.no_grad():
        standard_deviation = plain.encode(images.permute(0, 3, 1, 2) / 127.5 - 1).latents.std()
    assert autoencoder.scale == pytest.approx(float(standard_deviation), rel=1e-3)
    rows = torch.arange(len(tiles))
    latents = context.latents.latents[rows, torch.zeros_like(rows)]
    assert float(latents.std()) == pytest.approx(1, abs=1e-3)
    words = ["import", "--source", str(tmp_path / "source"), "--check", str(context.root)]
    assert cli.main([*words, "--num-check", "2"]) == 0
    assert "checked on 2 of" in capsys.readouterr().out


def test_finetuning_needs_a_source(tmp_path, capsys):
    words = ["run", "smoke", "--out", str(tmp_path), "--autoencoder.finetune", "--until", "data"]
    assert cli.main(words) == 2
    assert "finetune needs autoencoder.source" in capsys.readouterr().err
