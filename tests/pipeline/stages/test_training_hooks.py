"""A denoiser in training is looked at: losses, pictures and agreement of a run's own folder."""

import json
import math
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from PIL import Image

from disc import cli
from disc.files import BadInput
from disc.model.denoiser import Denoiser
from disc.pipeline import run as runs
from disc.pipeline.context import Context
from disc.pipeline.stage import find_lost, why_stale
from disc.pipeline.stage_list import generator_stages
from disc.presets import smoke
from disc.settings.training import Validation
from disc.train.validation import encode_validation, measure_bands

VALIDATION = Validation(every=2, num_tiles=8, num_bands=3, num_rows=3, num_masks=5, keep="best")


def small(out, **settings):
    run = smoke()

    def short(part, **more):
        optim = replace(part.optim, steps=5, batch=4, checkpoint_every=2, warmup=1)
        return replace(part, optim=optim, **more)

    return replace(
        run,
        out=out,
        phantom=replace(
            run.phantom,
            slides=(2, 2, 2, 2),
            test_slides=(1, 1, 1, 1),
            external_slides=(1, 0, 0, 0),
            referee_slides=(1, 1, 1, 1),
            core_um=(400.0, 500.0),
        ),
        autoencoder=short(run.autoencoder),
        denoiser=short(run.denoiser),
        evaluate=replace(run.evaluate, referee=short(run.evaluate.referee)),
        sample=replace(run.sample, solver=replace(run.sample.solver, steps=2)),
        validation=replace(VALIDATION, **settings),
        until="denoiser/sd",
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        # drawing a dozen slides is faster than starting processes for it
        patch.setattr("disc.processes.allowed_cores", lambda: 1)
        runs.execute(small(out))
    return Context(small(out), out / "smoke")


def folder_of(context):
    return context.folder / "denoiser" / "sd"


def test_every_validation_is_a_line_of_the_log(done):
    lines = (folder_of(done) / "log.jsonl").read_text().splitlines()
    validations = [line for line in map(json.loads, lines) if "validation" in line]
    assert [line["step"] for line in validations] == [2, 4, 5]
    for line in validations:
        bands = [line[f"validation_{band}"] for band in range(3)]
        assert line["validation"] == pytest.approx(np.mean(bands))
        assert 0 <= line["agreement_one_label"] <= 1
        assert 0 <= line["agreement_several_labels"] <= 1
    history = json.loads((folder_of(done) / "validation.json").read_text())["history"]
    assert [(e["step"], e["loss"]) for e in history] == [
        (e["step"], e["validation"]) for e in validations
    ]


def test_the_weights_on_disk_have_the_loss_that_was_the_lowest(done):
    facts = json.loads((folder_of(done) / "validation.json").read_text())
    assert facts["loss"] == min(entry["loss"] for entry in facts["history"])
    assert (facts["kept"], facts["val_is_seen"], facts["num_tiles"]) == ("best", False, 8)
    tiles = encode_validation(done.autoencoder, done.split.val, 8, done.run.seed)
    assert set(tiles.names) <= {tile.name for tile in done.split.val.tiles}
    denoiser = Denoiser.load(folder_of(done), done.run.denoiser)
    assert measure_bands(denoiser, tiles, 3, done.run.seed) == pytest.approx(facts["bands"])


def test_previews_are_pictures_of_masks_and_generated_tiles(done):
    found = sorted(path.name for path in (folder_of(done) / "previews").iterdir())
    assert found == ["000002.png", "000004.png", "000005.png"]
    sheets = [np.asarray(Image.open(folder_of(done) / "previews" / name)) for name in found]
    assert sheets[0].shape == sheets[2].shape
    width = sheets[0].shape[1]
    changed = (sheets[0] != sheets[2]).any(axis=(0, 2))
    # the real tile and its mask are the same; what is generated from it has changed
    assert not changed[: width // 2].any()
    assert changed[width // 2 :].any()


def test_what_changes_no_weight_leaves_the_stage_done(done):
    for validation, is_kept in [
        (replace(VALIDATION, num_rows=0, num_masks=1, tensorboard=True), True),
        (replace(VALIDATION, every=1), False),
        (replace(VALIDATION, keep="last"), False),
    ]:
        stages = generator_stages(Context(replace(done.run, validation=validation), done.folder))
        sd = next(stage for stage in stages if stage.name == "denoiser/sd")
        assert (why_stale(sd, done.folder) is None) == is_kept
        assert (find_lost(stages, done.folder) == []) == is_kept
    settings = []
    for validation in (Validation(), Validation(every=7, num_tiles=0), VALIDATION):
        stages = generator_stages(Context(replace(done.run, validation=validation), done.folder))
        settings.append(next(stage.settings for stage in stages if stage.name == "denoiser/sd"))
    assert settings[0] == settings[1] != settings[2]


def test_the_best_needs_validation_tiles(done, tmp_path):
    context = Context(done.run, done.folder)
    context.split = replace(done.split, val=done.split.val.only([]))
    (stage,) = (s for s in generator_stages(context) if s.name == "denoiser/sd")
    with pytest.raises(BadInput, match="no validation tiles"):
        stage.work(tmp_path)


@pytest.mark.slow
def test_a_planted_nan_is_one_line_that_names_the_tile(done, tmp_path, monkeypatch, capsys):
    """In the latents of one training tile, noticed at the first step that shows it."""
    shutil.copytree(done.folder, tmp_path / "smoke")
    shutil.rmtree(tmp_path / "smoke" / "denoiser")
    tiles = torch.arange(len(done.latents.labels))
    planted, victim = done.latents.latents[tiles, torch.zeros_like(tiles)][:, None], len(tiles) // 2
    planted[victim, 0, 1, 5, 5] = math.nan
    bad = replace(done.latents, latents=planted)
    monkeypatch.setattr("disc.train.latents.latent_set.read_latents", lambda *place: bad)
    run = small(tmp_path, **asdict(Validation()))
    optim = replace(run.denoiser.optim, steps=99)
    run = replace(run, denoiser=replace(run.denoiser, optim=optim))
    execute = runs.execute
    monkeypatch.setattr(runs, "execute", lambda config: execute(run))
    assert cli.main(["run", "smoke"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    name = done.split.train.tiles[victim].name
    assert f", from {name}; stopped" in error
