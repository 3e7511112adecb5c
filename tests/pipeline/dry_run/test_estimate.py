"""What `--dry-run` says: operations against arithmetic, amounts against the paper's numbers."""

import dataclasses
import io
import time

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.nn import functional

from disc import cli
from disc.data.readers.sicapv2 import read_set
from disc.files import BadInput, write_json
from disc.phantom.sets import write_training_set
from disc.pipeline.context import Context
from disc.pipeline.dry_run import timing as measuring
from disc.pipeline.dry_run.estimate import estimate_run, price
from disc.pipeline.dry_run.networks import list_probes
from disc.pipeline.dry_run.timing import Measured, count_operations, count_step, measure_fitting
from disc.pipeline.dry_run.workload import find_sizes, list_work
from disc.pipeline.stage_list import all_stages
from disc.presets import PRESETS, paper, smoke
from disc.report.estimate import Estimate, NetworkRow, StageRow, name_time, print_estimate
from disc.settings.data import Data
from disc.settings.phantom import Phantom


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(measuring, "MAX_STEPS", 1)


def test_operations_are_those_of_arithmetic():
    with torch.device("meta"):
        conv, tile = nn.Conv2d(3, 8, 3, padding=1), torch.zeros(2, 3, 16, 16)
        tokens = torch.zeros(2, 4, 10, 6)
    multiplications = 2 * 16 * 16 * 8 * 3 * 9
    assert count_operations(lambda: conv(tile)) == 2 * multiplications
    multiplications = 2 * (2 * 4 * 10 * 10 * 6)
    attend = functional.scaled_dot_product_attention
    assert count_operations(lambda: attend(tokens, tokens, tokens)) == 2 * multiplications


def test_a_step_is_forward_and_back():
    """Back: by the weights of both layers, and by the input of the second alone."""
    with torch.device("meta"):
        model, batch = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1)), torch.zeros(5, 4)

    def step(state, batch, generator):
        return {"loss": state.model(batch["x"]).sum()}

    first, second = 2 * 5 * 4 * 8, 2 * 5 * 8
    assert count_step(model, step, {"x": batch}) == 2 * first + 3 * second


def test_the_operations_of_a_unet():
    """More than its convolutions alone would take, times three for forward and back."""
    probe = list_probes(smoke())["denoiser, a step"]
    with torch.device("meta"):
        model = probe.build()
    batch = {key: value.to("meta") for key, value in probe.draw(1).items()}
    counted = count_step(model, probe.step, batch)
    sides, num = {}, 0.0

    def keep(module, inputs, output):
        sides[module] = output.shape[-1]

    for module in model.unet.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(keep)
    t = torch.zeros(1, dtype=torch.int64, device="meta")
    model(batch["latents"], t, batch["masks"])
    for module, side in sides.items():
        num += 2 * module.weight.numel() * side**2
    assert 3 * num < counted < 9 * num


@pytest.mark.parametrize(
    ("ticks", "expected"), [([0, 5, 6, 8, 9], 1), ([0, 50], 50), ([0, 5, 16], 11)]
)
def test_the_first_unit_warms_up_if_there_is_time(monkeypatch, ticks, expected):
    clock, left = measuring._Clock(), iter(ticks)
    monkeypatch.setattr(measuring, "MAX_STEPS", 4)
    monkeypatch.setattr(time, "perf_counter", lambda: next(left))
    with pytest.raises(measuring._Enough):
        for number in range(9):
            clock.tick(number)
            clock.tick(number)  # a step over two batches begins once
    assert clock.seconds == expected


def test_a_batch_that_does_not_fit_is_halved(monkeypatch):
    def measure(batch):
        if batch > 5:
            raise torch.OutOfMemoryError
        return Measured(batch, 1.0, 1)

    assert measure_fitting(16, 1.0, measure).batch == 4
    assert measure_fitting(3, 1.0, measure).batch == 3
    assert measure_fitting(16, measuring.MAX_CPU_FLOPS / 2.5, measure).batch == 2
    assert measure_fitting(16, 1e15, measure).batch == 1
    with pytest.raises(torch.OutOfMemoryError):
        measure_fitting(1, 1.0, lambda batch: measure(9))


@pytest.mark.slow
def test_a_measured_step_counts_weights_and_batch():
    run = smoke()
    optim = dataclasses.replace(run.denoiser.optim, batch=4)
    run = dataclasses.replace(run, denoiser=dataclasses.replace(run.denoiser, optim=optim))
    probe = list_probes(run)["denoiser, a step"]
    row = price("denoiser", probe)
    assert row.parameters == sum(value.numel() for value in probe.build().parameters())
    assert row.batch == row.measured == run.denoiser.optim.batch
    assert row.seconds > 0 and row.memory >= 5 * 4 * row.parameters
    half = dataclasses.replace(probe, optim=dataclasses.replace(probe.optim, batch=2))
    assert price("denoiser", half).flops == row.flops / 2


def test_the_amounts_of_the_paper(tmp_path):
    """276 slides of 20 to 100 tiles, 20,000 latents, 50 epochs: the paper's own numbers."""
    run = dataclasses.replace(paper(), out=tmp_path)
    work = {work.stage: work for work in list_work(run, find_sizes(run))}
    assert work["synthetic/sd"].what == "276 slides, 16,560 tiles in 200 steps"
    assert work["bank"].what == "20,000 latents in 200 steps"
    assert work["bank"].units == {"denoiser, an evaluation": 20_000 * 200}
    assert work["latents"].what == "9,959 tiles in 1 flips and rotations"
    assert work["denoiser/Val1"].units == work["denoiser/Val2"].units
    assert 50 * 9959 <= 16 * work["denoiser/sd"].units["denoiser, a step"] < 50 * 9959 + 16
    assert "autoencoder" not in work


@pytest.mark.parametrize("name", PRESETS)
def test_every_stage_that_a_network_does_is_counted(name, tmp_path):
    run = dataclasses.replace(PRESETS[name](), out=tmp_path)
    counted = {work.stage: work for work in list_work(run, find_sizes(run))}
    stages = {stage.name for stage in all_stages(Context(run, tmp_path))}
    free = {"data", "report"} | ({"autoencoder"} if run.autoencoder.source else set())
    assert set(counted) == stages - free
    units = {unit for work in counted.values() for unit in work.units}
    assert units <= set(list_probes(run))


def test_data_that_is_there_is_counted(tmp_path):
    phantom = Phantom(slides=(2, 2, 2, 2), test_slides=(1, 1, 1, 1), core_um=(400.0, 700.0))
    data = Data(root=tmp_path / "set", fold="All")
    write_training_set(data.root, phantom, Data())
    sizes = find_sizes(dataclasses.replace(smoke(), data=data))
    tiles = read_set(data.root, 64).tiles
    assert sizes.train == sum(tile.split == "train" for tile in tiles)
    assert sizes.slides == (2, 2, 2, 2)
    (data.root / "wsi_labels.xlsx").unlink()
    with pytest.raises(FileNotFoundError, match="wsi_labels"):
        find_sizes(dataclasses.replace(smoke(), data=data))


def test_it_adds_up_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # so little that one sample is measured of each network
    monkeypatch.setattr(measuring, "MAX_CPU_FLOPS", 1.0)
    words = ["run", "smoke", "--out", "runs", "--until", "denoiser/sd", "--folds", "Val1", "Val2"]
    assert cli.main([*words, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "denoiser/sd" in printed and "bank" not in printed and "all, 2 times" in printed
    assert "~: measured with fewer samples" in printed
    assert not list(tmp_path.iterdir())
    with pytest.raises(BadInput, match="no stage 'lunch'"):
        estimate_run(dataclasses.replace(smoke(), until="lunch"))


def test_what_is_printed():
    stages = [
        StageRow(name="bank", what="[4] latents", flops=1e15, seconds=s)
        for s in (3600.0, 86400.0 * 3)
    ]
    estimate = Estimate(title="a", machine="b", networks=[], stages=stages, notes=["c"], times=4)
    assert estimate.seconds == 4 * (3600 + 3 * 86400)
    console = Console(file=io.StringIO(), width=100)
    print_estimate(estimate, console)
    printed = console.file.getvalue()
    assert "8,000.0" in printed  # TFLOP of two stages, four times
    assert "12.2 days" in printed and "- c" in printed and "60.0 min" in printed
    named = [name_time(seconds) for seconds in (1, 119, 121, 7201)]
    assert named == ["1.0 s", "119.0 s", "2.0 min", "2.0 hours"]


def test_no_digit_of_a_large_network_is_cut_off_in_80_columns():
    row = NetworkRow(
        name="denoiser, an evaluation",
        parameters=138_420_000,
        batch=16,
        unit=1,
        measured=1,
        flops=59.43e12,
        seconds=123.0,
        memory=43.8 * 2**30,
    )
    console = Console(file=io.StringIO(), width=80)
    print_estimate(Estimate(title="t", machine="m", networks=[row], stages=[], notes=[]), console)
    assert "59,430 " in console.file.getvalue()


def test_another_phantom_in_the_folder_is_not_read(tmp_path):
    """A run of other tiles stands where this one would be: it would be drawn anew."""
    other = dataclasses.replace(smoke(), out=tmp_path)
    folder = tmp_path / "smoke" / "data"
    write_json(folder / "done.json", {"config": "of another run", "inputs": {}, "seconds": 1.0})
    (folder / "training" / "images").mkdir(parents=True)
    assert "not drawn yet" in find_sizes(other).source


def test_a_step_of_real_and_synthetic_tiles_is_measured_with_both():
    probes = list_probes(paper())
    one, both = (probes[f"pixel grader, {name}"] for name in ("a step", "mixed"))
    assert both.draw(1)["images"].shape == (1, 2, 3, 512, 512)
    with torch.device("meta"):
        model = one.build()
    counts = [
        count_step(model, probe.step, {k: v.to("meta") for k, v in probe.draw(1).items()})
        for probe in (one, both)
    ]
    assert counts[1] == pytest.approx(2 * counts[0], rel=1e-3)


def test_crops_and_the_decoder_s_own_steps_are_counted_as_they_are_trained(tmp_path):
    """The laptop's autoencoder sees crops of 32 px; its decoder then whole tiles of 64."""
    run = PRESETS["laptop"]()
    probes = list_probes(run)
    sides = {
        name: probes[f"{name}, a step"].draw(1)["tiles"].shape
        for name in ("autoencoder", "decoder")
    }
    assert sides == {"autoencoder": (1, 32, 32, 3), "decoder": (1, 64, 64, 3)}
    run = dataclasses.replace(run, out=tmp_path)
    works = {work.stage: work for work in list_work(run, find_sizes(run))}
    assert works["autoencoder"].what == "5,000 steps of 8, then the decoder 1,100 of 4"
    assert works["autoencoder"].units == {"autoencoder, a step": 5000, "decoder, a step": 1100}
    assert price("decoder, a step", probes["decoder, a step"]).flops > 0
