"""`disc export`: one folder, or one line that says why not."""

import shutil

import numpy as np
import pytest
from PIL import Image

from disc import cli
from tests.tiny_run import write_tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def call(run, out, *words):
    return cli.main(["export", "--run", str(run), "--out", str(out), *words])


def test_what_is_exported_can_be_sampled(run, tmp_path, capsys):
    assert call(run, tmp_path / "out", "--no-shapes", "--dtype", "float16") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path / 'out'}: sd, sd-sc, sd-disc as float16, ")
    assert (tmp_path / "out" / "README.md").is_file() and list(tmp_path.iterdir()) == [
        tmp_path / "out"
    ]
    Image.fromarray(np.full((64, 64), 2, np.uint8)).save(tmp_path / "mask.png")
    words = ("--mask", str(tmp_path / "mask.png"), "--values", "classes", "--steps", "1")
    tiles = tmp_path / "tiles"
    assert cli.main(["sample", "--run", str(tmp_path / "out"), "--out", str(tiles), *words]) == 0
    assert (tiles / "images" / "mask.png").is_file()
    again = ("--run", str(tmp_path / "out"), "--out", str(tmp_path / "again"))
    assert [cli.main([command, *again]) for command in ("synthesize", "export")] == [2, 2]
    said = capsys.readouterr().err
    assert "out: exported without shapes of training masks" in said
    assert "out: exported weights; give the folder of the run" in said


@pytest.mark.parametrize(
    ("lacks", "words", "said"),
    [
        ("", "--no-shapes --variants sd-fast", "no variant 'sd-fast' in it; it has sd, sd-sc"),
        ("", "", "no training tiles to take shapes from"),
        ("denoiser", "--no-shapes", "no trained denoiser in it; run disc run on it first"),
        ("referee", "--no-shapes", "no trained referee in it (referee/referee.safetensors); run"),
        ("latents", "--no-shapes", "no trained autoencoder in it (latents/autoencoder/"),
        ("config.json", "--no-shapes", "no config.json in it; give the folder of a run"),
    ],
)
def test_what_cannot_be_is_one_line(lacks, words, said, copied, capsys):
    out = copied.parent / "out"
    if (copied / lacks).is_file():
        (copied / lacks).unlink()
    elif lacks:
        shutil.rmtree(copied / lacks)
    assert call(copied, out, *words.split()) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not out.exists()


def test_a_filled_folder_is_left_alone(run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert call(run, tmp_path, "--no-shapes") == 2
    assert f"{tmp_path}: is not an empty folder; give a new one" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
