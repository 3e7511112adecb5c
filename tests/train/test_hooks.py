import json
import subprocess
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from disc.files import BadInput
from disc.settings.training import Optim
from disc.settings.training import Validation as ValidationSettings
from disc.train import loop
from disc.train.checkpoint import NAME, Best, read_best, save_checkpoint
from disc.train.hooks import Hooks
from disc.train.loop import train
from disc.train.tensorboard import EventWriter
from tests.damage.run_folder import new_state
from tests.train import two_processes

ROOT = Path(__file__).parents[2]
LOSSES = {2: 0.9, 4: 0.5, 6: 0.2, 8: 0.4, 10: 0.3, 12: 0.6, 13: 0.7}
BEST = 6


def batch_at(step):
    return {"x": torch.randn(6, 4, generator=torch.Generator().manual_seed(step))}


def step(state, batch, generator):
    error = state.model(batch["x"]) - batch["x"].sum(1, keepdim=True)
    return {"loss": error.square().mean()}


def run(folder, hooks=None, *, step=step):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1))
    optim = Optim(steps=13, batch=6, lr=0.01, warmup=3, ema=0.9, checkpoint_every=5)
    train(
        model=model, step=step, batch_at=batch_at, optim=optim, folder=folder, seed=1, hooks=hooks
    )
    return model.state_dict()


def assert_same(one, other):
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


class Recorder:
    """A hook that returns the losses of LOSSES, and keeps the weights that it was given."""

    def __init__(self, losses=LOSSES):
        self.losses, self.weights = losses, {}

    def __call__(self, network, step):
        assert not network.training
        self.weights[step] = {k: v.clone() for k, v in network.state_dict().items()}
        torch.randn(17), np.random.default_rng(0).random(3)
        return {"validation": self.losses[step], "sheet": np.zeros((2, 3, 3), np.uint8)}


def hooks_with(recorder, **settings):
    return Hooks(ValidationSettings(**settings), [recorder])


def test_hooks_run_when_due_and_leave_the_training_alone(tmp_path):
    recorder = Recorder()
    hooked = run(tmp_path / "hooked", hooks_with(recorder, every=2))
    assert list(recorder.weights) == list(LOSSES)
    assert_same(run(tmp_path / "plain"), hooked)
    assert_same(recorder.weights[13], hooked)


def test_without_every_hooks_run_once_at_the_end(tmp_path):
    recorder = Recorder()
    run(tmp_path, hooks_with(recorder))
    assert list(recorder.weights) == [13]


def test_the_best_weights_are_those_of_the_lowest_validation_loss(tmp_path):
    recorder = Recorder()
    best = run(tmp_path, hooks_with(recorder, every=2, keep="best"))
    assert_same(recorder.weights[BEST], best)
    assert not torch.equal(recorder.weights[13]["0.weight"], best["0.weight"])


@pytest.mark.parametrize("stop_at", [3, 6, 7, 9, 10, 12])
def test_killed_anywhere_the_best_weights_and_the_log_are_the_same(tmp_path, stop_at):
    straight = run(tmp_path / "straight", hooks_with(Recorder(), every=2, keep="best"))

    def step_until(state, batch, generator):
        if state.step == stop_at:
            raise KeyboardInterrupt
        return step(state, batch, generator)

    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", hooks_with(recorder, every=2, keep="best"), step=step_until)
    assert_same(straight, run(tmp_path / "killed", hooks_with(recorder, every=2, keep="best")))
    lines = (tmp_path / "killed" / "log.jsonl").read_text().splitlines()
    seen = {(e["step"], e["validation"]) for e in map(json.loads, lines) if "validation" in e}
    assert seen == set(LOSSES.items())
    assert len([line for line in lines if "validation" in line]) == len(LOSSES)


def test_started_again_at_its_end_it_still_gives_the_best(tmp_path):
    recorder = Recorder()
    hooks = hooks_with(recorder, every=2, keep="best")
    assert_same(run(tmp_path, hooks), run(tmp_path, hooks))
    assert_same(recorder.weights[BEST], run(tmp_path, hooks))


def test_a_folder_has_no_best_before_a_training(tmp_path):
    assert read_best(tmp_path) is None
    run(tmp_path, hooks_with(Recorder(), every=2, keep="best"))
    assert read_best(tmp_path).step == BEST


def test_the_first_process_removes_the_checkpoint_once_all_have_read_the_best(
    tmp_path, monkeypatch
):
    barrier, hooks = Barrier(2, timeout=20), hooks_with(Recorder(), every=2, keep="best")
    first, second = new_state(), new_state()
    first.best = Best(
        2, 0.5, {n: torch.ones_like(w) for n, w in first.network.state_dict().items()}
    )

    def read_slowly(folder):
        time.sleep(0.05)
        return read_best(folder)

    def end_first():
        time.sleep(0.2)  # its last checkpoint is written while the others wait
        save_checkpoint(tmp_path, first)
        loop._take_final_weights(first, hooks, tmp_path, is_first=True)
        (tmp_path / NAME).unlink()

    monkeypatch.setattr(loop, "wait_for_all", barrier.wait)
    monkeypatch.setattr(loop, "read_best", read_slowly)
    with ThreadPoolExecutor() as processes:
        ended = processes.submit(end_first)
        loop._take_final_weights(second, hooks, tmp_path, is_first=False)
        ended.result()
    assert_same(first.best.weights, first.network.state_dict())
    assert_same(first.best.weights, second.network.state_dict())


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_validation_loss_that_is_not_a_number_stops_the_training(tmp_path, keep):
    recorder = Recorder(LOSSES | {8: float("nan")})
    with pytest.raises(FloatingPointError, match=r"validation loss is nan at step 8 of .*whole"):
        run(tmp_path, hooks_with(recorder, every=2, keep=keep))
    assert safetensors.torch.load_file(tmp_path / "checkpoint.safetensors")["step"] == 5


def test_the_best_cannot_be_kept_without_validation():
    with pytest.raises(ValueError, match=r"validation\.keep best needs validation\.every"):
        ValidationSettings(keep="best")


@pytest.mark.slow
def test_all_processes_end_with_the_best_weights_though_one_runs_hooks(tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "tests.train.two_processes", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    first, second = (safetensors.torch.load_file(tmp_path / f"{i}.safetensors") for i in (0, 1))
    assert_same(first, second)
    (tmp_path / "alone").mkdir()
    two_processes.main(tmp_path / "alone")
    alone = safetensors.torch.load_file(tmp_path / "alone" / "0.safetensors")
    for name, value in alone.items():
        torch.testing.assert_close(first[name], value)
    assert json.loads((tmp_path / "0.json").read_text()) == [2, 4, 6]
    assert json.loads((tmp_path / "1.json").read_text()) == []


def test_tensorboard_without_its_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("disc.train.tensorboard.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"tensorboard is not installed; pip install"):
        run(tmp_path, hooks_with(Recorder(), tensorboard=True))


def test_events_hold_numbers_and_images(tmp_path, monkeypatch):
    calls = []

    class Writer:
        def __init__(self, folder, purge_step):
            calls.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            calls.append((name, step, pytest.approx(value)))

        def add_image(self, name, value, step, dataformats):
            calls.append((name, step, value.shape, dataformats))

        def close(self):
            calls.append("closed")

    module = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr("disc.train.tensorboard.find_spec", lambda name: True)
    run(tmp_path, hooks_with(Recorder(), every=2, tensorboard=True))
    assert calls[0] == (str(tmp_path / "board"), 1)
    assert ("validation", BEST, LOSSES[BEST]) in calls
    assert ("sheet", BEST, (2, 3, 3), "HWC") in calls
    assert "loss" in {entry[0] for entry in calls}
    assert calls[-1] == "closed"


def test_tensorboard_reads_the_events(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, value in ((0, 3.0), (1, 2.0)):
        events = EventWriter(tmp_path, start)
        for number in range(start + 1, 4):
            events.add(number, {"loss": value, "sheet": np.zeros((4, 4, 3), np.uint8)})
        events.close()
    found = EventAccumulator(str(tmp_path / "board")).Reload()
    values = {event.step: event.value for event in found.Scalars("loss")}
    assert values == {1: 3.0, 2: 2.0, 3: 2.0}
    assert found.Images("sheet")
