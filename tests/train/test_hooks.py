import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from disc.files import BadInput
from disc.settings.training import Optim
from disc.settings.training import Validation as ValidationSettings
from disc.train.checkpoint import read_best
from disc.train.hooks import Hooks
from disc.train.loop import train
from disc.train.tensorboard import Board
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


class Looker:
    """Says what LOSSES says, and keeps the weights that it saw."""

    def __init__(self, losses=LOSSES):
        self.losses, self.weights = losses, {}

    def __call__(self, network, step):
        assert not network.training
        self.weights[step] = {k: v.clone() for k, v in network.state_dict().items()}
        torch.randn(17), np.random.default_rng(0).random(3)
        return {"validation": self.losses[step], "sheet": np.zeros((2, 3, 3), np.uint8)}


def watching(looker, **settings):
    return Hooks(ValidationSettings(**settings), [looker])


def test_looks_are_taken_in_time_and_leave_the_training_alone(tmp_path):
    looker = Looker()
    looked = run(tmp_path / "looked", watching(looker, every=2))
    assert list(looker.weights) == list(LOSSES)
    assert_same(run(tmp_path / "blind"), looked)
    assert_same(looker.weights[13], looked)


def test_without_every_there_is_one_look_at_the_end(tmp_path):
    looker = Looker()
    run(tmp_path, watching(looker))
    assert list(looker.weights) == [13]


def test_the_best_weights_are_those_that_were_seen_at_the_lowest_loss(tmp_path):
    looker = Looker()
    best = run(tmp_path, watching(looker, every=2, keep="best"))
    assert_same(looker.weights[BEST], best)
    assert not torch.equal(looker.weights[13]["0.weight"], best["0.weight"])


@pytest.mark.parametrize("stop_at", [3, 6, 7, 9, 10, 12])
def test_killed_anywhere_the_best_weights_and_the_looks_are_the_same(tmp_path, stop_at):
    straight = run(tmp_path / "straight", watching(Looker(), every=2, keep="best"))

    def step_until(state, batch, generator):
        if state.step == stop_at:
            raise KeyboardInterrupt
        return step(state, batch, generator)

    looker = Looker()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", watching(looker, every=2, keep="best"), step=step_until)
    assert_same(straight, run(tmp_path / "killed", watching(looker, every=2, keep="best")))
    lines = (tmp_path / "killed" / "log.jsonl").read_text().splitlines()
    seen = {(e["step"], e["validation"]) for e in map(json.loads, lines) if "validation" in e}
    assert seen == set(LOSSES.items())
    assert len([line for line in lines if "validation" in line]) == len(LOSSES)


def test_started_again_at_its_end_it_still_gives_the_best(tmp_path):
    looker = Looker()
    hooks = watching(looker, every=2, keep="best")
    assert_same(run(tmp_path, hooks), run(tmp_path, hooks))
    assert_same(looker.weights[BEST], run(tmp_path, hooks))


def test_a_training_of_no_steps_has_no_best(tmp_path):
    assert read_best(tmp_path) is None
    run(tmp_path, watching(Looker(), every=2, keep="best"))
    assert read_best(tmp_path).step == BEST


def test_a_loss_that_is_not_a_number_is_never_the_best(tmp_path):
    losses = {step: float("nan") for step in LOSSES} | {8: 0.4}
    looker = Looker(losses)
    assert_same(run(tmp_path, watching(looker, every=2, keep="best")), looker.weights[8])


def test_the_best_cannot_be_kept_without_looks():
    with pytest.raises(ValueError, match=r"validation\.keep best needs validation\.every"):
        ValidationSettings(keep="best")


@pytest.mark.slow
def test_all_processes_end_with_the_best_weights_though_one_looks(tmp_path):
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


def test_a_board_without_its_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("disc.train.tensorboard.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"tensorboard is not installed; pip install"):
        run(tmp_path, watching(Looker(), tensorboard=True))


def test_the_board_gets_numbers_and_pictures(tmp_path, monkeypatch):
    told = []

    class Writer:
        def __init__(self, folder, purge_step):
            told.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            told.append((name, step, pytest.approx(value)))

        def add_image(self, name, value, step, dataformats):
            told.append((name, step, value.shape, dataformats))

        def close(self):
            told.append("closed")

    module = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr("disc.train.tensorboard.find_spec", lambda name: True)
    run(tmp_path, watching(Looker(), every=2, tensorboard=True))
    assert told[0] == (str(tmp_path / "board"), 1)
    assert ("validation", BEST, LOSSES[BEST]) in told
    assert ("sheet", BEST, (2, 3, 3), "HWC") in told
    assert "loss" in {entry[0] for entry in told}
    assert told[-1] == "closed"


def test_tensorboard_reads_the_board(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, value in ((0, 3.0), (1, 2.0)):
        board = Board(tmp_path, start)
        for number in range(start + 1, 4):
            board.add(number, {"loss": value, "sheet": np.zeros((4, 4, 3), np.uint8)})
        board.close()
    found = EventAccumulator(str(tmp_path / "board")).Reload()
    values = {event.step: event.value for event in found.Scalars("loss")}
    assert values == {1: 3.0, 2: 2.0, 3: 2.0}
    assert found.Images("sheet")
