"""The paper's protocol on a small phantom: two folds, the better one, then all training tiles."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from disc.data.check.check_sets import check_sets
from disc.data.check.request import CheckRequest
from disc.files import BadInput
from disc.phantom.sets import write_training_set
from disc.pipeline.context import Context
from disc.pipeline.run import split_folds
from disc.pipeline.stage import run_stages, why_stale
from disc.pipeline.stage_list import generator_stages, sd_stages
from disc.pipeline.stages.denoiser import finish
from disc.presets import PRESETS, smoke
from disc.records.markers import read_done, write_done
from disc.settings.data import Data
from disc.settings.phantom import Phantom
from disc.settings.training import Optim, Validation

BATCH = 4


def small(root, **changes):
    """Smoke's run at its least: what is trained is not looked at."""
    run = smoke()
    optim = Optim(steps=3, batch=BATCH, lr=1e-3, ema=0.9, checkpoint_every=1)
    return dataclasses.replace(
        run,
        data=Data(fold="All", tile_px=32, um_per_px=8.0, root=root),
        autoencoder=dataclasses.replace(run.autoencoder, num_codes=32, optim=optim),
        validation=Validation(num_tiles=8, num_bands=2),
        until="denoiser/sd",  # no primary grade lacks slides for more
        denoiser=dataclasses.replace(
            run.denoiser, protocol="paper", **{"final_epochs": 1, "optim": optim, **changes}
        ),
    )


def train(folder, root, **changes):
    run = small(root, **changes)
    stages = [s for s in generator_stages(Context(run, folder)) if s.name != "bank"]
    run_stages(stages, folder, until="denoiser/sd", say=lambda text: None)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A simulated set, given as a real one is."""
    folder = tmp_path_factory.mktemp("tiles")
    phantom = Phantom(slides=(2, 2, 2, 2), test_slides=(1, 1, 1, 1), core_um=(300.0, 500.0))
    write_training_set(folder, phantom, Data(tile_px=32, um_per_px=8.0))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, root):
    folder = tmp_path_factory.mktemp("run")
    train(folder, root)
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def weights(folder, name):
    return safetensors.torch.load_file(
        folder / "denoiser" / name / "unet" / "diffusion_pytorch_model.safetensors"
    )


def is_same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def change_marker(folder, **facts):
    """Write a stage's marker anew."""
    write_done(folder, dataclasses.replace(read_done(folder), **facts))


def record(folder, name):
    return json.loads((folder / "denoiser" / name / "trained_on.json").read_text())


def slides_of(root, *books):
    frames = [pd.read_excel(root / "partition" / f"{b}.xlsx") for b in books]
    return {name.partition("_")[0] for frame in frames for name in frame["image_name"]}


def test_steps_of_the_last_training_are_passes_over_all_tiles(trained, root):
    num = len(pd.read_excel(root / "partition/Test/Train.xlsx"))
    facts = json.loads((trained / "denoiser/sd/done.json").read_text())["what"]
    steps = int(np.ceil(num / (BATCH - 1)))  # a quarter of a batch are tiles of one label beside
    wanted = f", {steps} steps of {BATCH}: 1 passes over {num} tiles"
    assert wanted + "; validation loss " in facts and facts.endswith("that it learned from")
    lines = (trained / "denoiser/sd/log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == steps
    assert not list((trained / "denoiser").rglob("checkpoint*"))


@pytest.mark.parametrize("better", ["Val1", "Val2"])
def test_the_last_training_starts_at_the_fold_with_the_lower_loss(copy, root, better):
    """With no pass over all tiles, its weights are what it ends in."""
    for fold in ("Val1", "Val2"):
        path = copy / "denoiser" / fold / "validation.json"
        path.write_text(
            json.dumps({**json.loads(path.read_text()), "loss": 0.1 if fold == better else 0.2})
        )
        change_marker(copy / "denoiser" / fold, files=None)
    before = (copy / "denoiser/Val1/done.json").read_bytes()
    train(copy, root, final_epochs=0)
    assert (copy / "denoiser/Val1/done.json").read_bytes() == before
    assert is_same(weights(copy, "sd"), weights(copy, better))
    assert not is_same(weights(copy, "Val1"), weights(copy, "Val2"))


def test_a_fold_learns_from_its_own_tiles_alone(trained, root, tmp_path, monkeypatch):
    """Latents of tiles that do not train a fold may be anything: its weights stay the same."""
    run = small(root)
    context = Context(run, trained)
    kept = slides_of(root, "Validation/Val2/Train")
    is_kept = torch.tensor([t.slide_id in kept for t in context.split.train.tiles])
    assert 0 < is_kept.sum() < len(is_kept)
    at = torch.arange(len(is_kept)), torch.zeros(len(is_kept), dtype=torch.int64)
    latents, masks = context.latents.latents[at][:, None], context.latents.masks[at][:, None]
    latents[~is_kept] = 1e3
    context.latents = dataclasses.replace(context.latents, latents=latents, masks=masks)
    (stage,) = (stage for stage in sd_stages(context) if stage.name == "denoiser/Val2")
    stage.work(tmp_path)
    again = safetensors.torch.load_file(tmp_path / "unet/diffusion_pytorch_model.safetensors")
    assert is_same(again, weights(trained, "Val2"))
    facts = json.loads((tmp_path / "validation.json").read_text())
    assert facts["num_tiles"] > 0 and not facts["val_is_seen"]


def test_killed_after_its_training_nothing_is_trained_again(copy, root, monkeypatch):
    before = weights(copy, "Val2")
    shutil.rmtree(copy / "denoiser/Val2")

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("disc.pipeline.stages.denoiser.finish", stop)
        train(copy, root)
    assert (copy / "denoiser/Val2/checkpoint.safetensors").exists()
    monkeypatch.setattr("disc.train.loop._optimise", stop)
    monkeypatch.setattr("disc.pipeline.stage_work.train_on_all", lambda context, folder: "")
    train(copy, root)
    assert is_same(weights(copy, "Val2"), before)


def test_what_was_seen_is_recorded_and_checked(trained, root):
    everyone = slides_of(root, "Test/Train")
    final, fold = record(trained, "sd"), record(trained, "Val1")
    assert set(final["slides"]) == everyone and final["fold"] == "All"
    # the autoencoder was trained in this run, on all
    assert set(fold["slides"]) == everyone and fold["fold"] == "Val1"
    assert final["protocol"] == fold["protocol"] == "paper"
    owners = pd.read_excel(root / "wsi_labels.xlsx", dtype=str)
    owners = owners[owners["slide_id"].isin(everyone)]
    assert set(final["patients"]) == set(owners["patient_id"])
    request = CheckRequest(roots=(root,), generators=(trained / "denoiser/sd",), processes=1)
    report = check_sets(request)
    (finding,) = (f for f in report.findings if f.kind.startswith("generator"))
    assert finding.severity == "warning"
    assert [case.note[:4] for case in finding.cases] == ["Val1", "Val2", "Val3", "Val4"]


def test_fold_safe_generators_saw_neither_validation_nor_test(root, tmp_path):
    run = dataclasses.replace(PRESETS["fold-safe"](), out=tmp_path)
    ones = split_folds(run)
    assert [one.out / one.name for one in ones] == [
        tmp_path / "fold-safe" / f"Val{number}" for number in (1, 2, 3, 4)
    ]
    for one in ones:
        data = dataclasses.replace(small(root).data, fold=one.data.fold)
        context = Context(dataclasses.replace(one, data=data), tmp_path)
        finish(context, tmp_path / one.name, context.split.train, "")
        own = f"Validation/{one.name}"
        seen = json.loads((tmp_path / one.name / "trained_on.json").read_text())
        assert set(seen["slides"]) == slides_of(root, f"{own}/Train")
        assert not set(seen["slides"]) & slides_of(root, f"{own}/Test", "Test/Test")
        request = CheckRequest(roots=(root,), generators=(tmp_path / one.name,), processes=1)
        report = check_sets(request)
        (finding,) = (f for f in report.findings if f.kind.startswith("generator"))
        warned = {case.note[:4] for case in finding.cases}
        assert finding.severity == "warning" and warned == {"Val1", "Val2", "Val3", "Val4"} - {
            one.name
        }


def test_what_does_not_fit_together_is_refused(trained, root):
    run = small(root)
    with pytest.raises(ValueError, match="ends on all training tiles"):
        dataclasses.replace(run, data=dataclasses.replace(run.data, fold="Val2"))
    with pytest.raises(ValueError, match="give one of them"):
        dataclasses.replace(run, folds=("Val1",))
    assert split_folds(run) == [run]
    context = Context(run, trained)
    context.split = dataclasses.replace(
        context.split, train=context.split.train.only(range(5))
    )  # as if Test/Train listed five tiles only
    with pytest.raises(BadInput, match=r"Validation/Val1: \d+ tile\(s\) are not in Test/Train"):
        sd_stages(context)[0].work(trained / "nowhere")


def test_a_run_on_one_fold_depends_on_nothing_of_the_protocol(tmp_path):
    run = smoke()
    (stage,) = sd_stages(Context(run, tmp_path))
    longer = dataclasses.replace(run, denoiser=dataclasses.replace(run.denoiser, final_epochs=7))
    (other,) = sd_stages(Context(longer, tmp_path))
    assert (stage.name, stage.settings) == ("denoiser/sd", other.settings)


@pytest.mark.parametrize("name", ["Val1", "Val2", "sd"])
def test_folds_and_slides_that_changed_train_anew_where_latents_are_the_same(copy, root, name):
    stages = {stage.name: stage for stage in sd_stages(Context(small(root), copy))}
    stage = stages[f"denoiser/{name}"]
    assert why_stale(stage, copy) is None
    change_marker(copy / "data", config="other")
    assert why_stale(stage, copy) == "again, data was redone"
