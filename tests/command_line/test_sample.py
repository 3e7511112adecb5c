"""`disc sample`: masks in, tiles, masks and a sheet out."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import disc
from disc import cli
from disc.command_line import sample
from disc.model.denoiser import Denoiser
from disc.presets import smoke
from disc.report.sheet_figure import draw_sheet
from disc.sample.request import SampleRequest
from tests.folders import contents
from tests.tiny_run import write_tiny_run

SIDE = 64


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def masks(tmp_path):
    """Two masks with SICAPv2's values."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for name, value in (("a", 4), ("b", 5)):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[: SIDE // 2] = value
        Image.fromarray(mask).save(folder / f"{name}.png")
    return folder


def call(run, out, *words):
    return cli.main(["sample", "--run", str(run), "--out", str(out), *words])


def pixels(path):
    return np.asarray(Image.open(path))


def test_tiles_are_those_of_the_door(run, masks, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("--mask", str(masks), "--values", "sicapv2", "--steps", "2", "--seed", "3")
    assert call(run, out, *words, "--plan", "step") == 0
    assert "2 tile(s) by sd-sc" in capsys.readouterr().out
    values = np.stack([pixels(masks / f"{name}.png") for name in "ab"])
    tiles = disc.load(run).sample(disc.masks_from_sicapv2(values), plan="step", steps=2, seed=3)
    for name, tile, mask in zip("ab", tiles, values, strict=True):
        assert np.array_equal(pixels(out / "images" / f"{name}.png"), tile)
        assert np.array_equal(pixels(out / "masks" / f"{name}.png"), mask)
    high, wide = pixels(out / "sheet.png").shape[:2]
    assert wide > 1.5 * high, "two masks and tiles side by side"
    assert call(run, out, *words, "--plan", "end") == 2
    assert "holds tiles of another request" in capsys.readouterr().err


def test_a_folder_is_taken_whole_or_a_line_says_what_is_not(run, masks, tmp_path, capsys):
    shutil.copy(masks / "a.png", masks / "c.PNG")
    (masks / "notes.txt").touch()
    (masks / "more").mkdir()
    words = ("--mask", str(masks), "--values", "sicapv2", "--steps", "1")
    assert call(run, tmp_path / "out", *words) == 0
    said = capsys.readouterr().out
    assert f"3 tile(s) by sd-sc, their masks, sheet.png; 2 in {masks} not taken as masks" in said
    assert "first more" in said and said.count("\n") == 1
    written = sorted(path.name for path in (tmp_path / "out" / "images").iterdir())
    assert written == ["a.png", "b.png", "c.png"]
    shutil.copy(masks / "a.png", masks / "a.PNG")
    assert call(run, tmp_path / "two", *words) == 2 and not (tmp_path / "two").exists()
    assert "named as a.PNG; rename one of them" in capsys.readouterr().err


def test_tiles_of_other_masks_or_weights_are_refused(run, masks, tmp_path, capsys):
    own, out = tmp_path / "own run", tmp_path / "out"
    shutil.copytree(run, own)
    words = ("--mask", str(masks), "--values", "sicapv2", "--steps", "1", "--variant", "sd")
    assert call(own, out, *words) == 0
    before = contents(out)
    (masks / "a.png").rename(masks / "c.png")
    assert call(own, out, *words) == 2
    (masks / "c.png").rename(masks / "a.png")
    assert call(own, out, *words) == 0
    mask = pixels(masks / "a.png").copy()
    mask[-1, -1] = 5
    Image.fromarray(mask).save(masks / "a.png")
    assert call(own, out, *words) == 2
    mask[-1, -1] = 0
    Image.fromarray(mask).save(masks / "a.png")
    torch.manual_seed(1)
    Denoiser(smoke().denoiser).save(own / "denoiser" / "sd")
    assert call(own, out, *words) == 2
    assert capsys.readouterr().err.count("holds tiles of another request") == 3
    assert contents(out) == before


def test_a_mask_that_asks_for_nothing_is_named(run, masks, tmp_path, capsys):
    Image.fromarray(np.full((SIDE, SIDE), 255, np.uint8)).save(masks / "b.png")
    assert call(run, tmp_path / "out", "--mask", str(masks), "--values", "sicapv2") == 2
    assert f"{masks}/b.png: 255 everywhere; nothing is asked for" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_sheet_shows_so_many_under_short_names(run, tmp_path, monkeypatch, capsys):
    folder, drawn = tmp_path / "named", []
    folder.mkdir()
    for i in range(5):
        name = f"16B0001851_Block_Region_1_0_{i}_xini_6803_yini_59786$a^$"
        Image.fromarray(np.full((SIDE, SIDE), 4, np.uint8)).save(folder / f"{name}.png")
    monkeypatch.setattr("disc.command_line.sample.MAX_SHOWN", 3)
    monkeypatch.setattr("disc.command_line.sample.BESIDE", 2)
    monkeypatch.setattr(
        "disc.command_line.sample.draw_sheet",
        lambda lines, um_per_px: drawn.append(lines) or draw_sheet(lines, um_per_px),
    )
    words = ("--mask", str(folder), "--values", "sicapv2", "--steps", "2")
    assert call(run, tmp_path / "out", *words) == 0
    assert "5 tile(s) by sd-sc, their masks, sheet.png of the first 3" in capsys.readouterr().out
    assert [len(line) for line in drawn[0]] == [4, 2]
    assert {line[0].heading for line in drawn[0]} == {"16B000185…_59786$a^$"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "give --mask or --recipe, one of them"),
        ("--mask {masks} --recipe 3+3", "give --mask or --recipe, one of them"),
        ("--mask {masks}", "--mask needs --values: sicapv2 for 0, 3, 4, 5 or classes"),
        ("--mask {masks} --values classes", "found value 4 in {masks}/a.png"),
        (
            "--mask {masks}/none.png --values classes",
            "masks/none.png: no such file or folder; correct --mask",
        ),
        ("--recipe 4+5 --fit crop", "--fit is for masks of --mask; those of a recipe fit"),
        ("--recipe 45", "--recipe: '45' is not a Gleason score; expected e.g. '3+4'"),
        ("--recipe 4+3=8", "--recipe: score '4+3=8' is not 8; correct it"),
        ("--recipe 3+0", "--recipe: score 3+0: both grades are 0 (benign) or none is"),
        ("--mask {masks} --values sicapv2 --variant sd-dis", "no variant 'sd-dis' in it"),
        ("--mask {masks} --values sicapv2 --plan both", "plan 'both': no plan; expected end"),
    ],
)
def test_what_cannot_be_is_one_line(words, said, run, masks, capsys):
    out = masks.parent / "out"
    assert call(run, out, *words.format(masks=masks).split()) == 2
    error = capsys.readouterr().err
    assert said.format(masks=masks) in error and error.count("\n") == 1
    assert not (out / "images").exists()


def test_the_run_may_stand_first(run, masks, tmp_path):
    words = ["--mask", str(masks), "--values", "sicapv2", "--steps", "1", "--variant", "sd"]
    assert cli.main(["sample", str(run), *words, "--out", str(tmp_path / "first")]) == 0
    assert call(run, tmp_path / "named", *words) == 0
    tiles = [pixels(tmp_path / name / "images" / "a.png") for name in ("first", "named")]
    assert np.array_equal(*tiles)
    twice = ["sample", str(run), "--run", str(run), *words, "--out", str(tmp_path / "twice")]
    assert cli.main(twice) == 2 and not (tmp_path / "twice").exists()


def test_larger_masks_are_made_to_fit_where_asked(run, tmp_path, capsys):
    """SICAPv2's are 512 px; a run's tiles are smaller."""
    mask = np.zeros((512, 512), np.uint8)
    mask[:, 256:] = 5
    Image.fromarray(mask).save(tmp_path / "large.png")
    words = ["--mask", str(tmp_path / "large.png"), "--values", "sicapv2", "--steps", "1"]
    assert call(run, tmp_path / "out", *words) == 2
    error = capsys.readouterr().err
    assert "512 x 512 px; expected 64 x 64" in error and "--fit resize" in error
    for fit in ("resize", "crop"):
        assert call(run, tmp_path / fit, *words, "--fit", fit) == 0
        found = pixels(tmp_path / fit / "masks" / "large.png")
        assert found.shape == (SIDE, SIDE)
        assert not found[:, : SIDE // 2].any() and (found[:, SIDE // 2 :] == 5).all()


def test_a_recipe_may_say_its_sum(tmp_path):
    asked = []

    class Shapes:
        def recipe(self, primary, secondary, *, tiles, seed):
            asked.append((primary, secondary))
            return np.zeros((tiles, SIDE, SIDE), np.uint8)

    for recipe in ("3+4", "3+4=7", "negative"):
        drawn = sample._draw_masks(SampleRequest(out=tmp_path, recipe=recipe, tiles=1), Shapes())
    assert asked == [(3, 4), (3, 4), (0, 0)] and drawn.names == ["0-0-000"]
