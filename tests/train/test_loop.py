import json

import pytest
import torch
from torch import nn

from disc.files import BadInput
from disc.settings.training import Optim
from disc.train.hooks import Hooks
from disc.train.loop import rate_at, train


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1))


def batch_at(step):
    generator = torch.Generator().manual_seed(step)
    return {"x": torch.randn(6, 4, generator=generator)}


def step(state, batch, generator):
    noise = torch.randn(len(batch["x"]), 1, generator=generator)
    error = state.model(batch["x"]) - batch["x"].sum(1, keepdim=True) + 0.1 * noise
    return {"loss": error.square().mean()}


def run(folder, *, steps=20, hooks=None, step=step, ema=0.9):
    optim = Optim(steps=steps, batch=6, lr=0.01, warmup=3, ema=ema, checkpoint_every=5)
    model = network()
    return train(
        model=model, step=step, batch_at=batch_at, optim=optim, folder=folder, seed=1, hooks=hooks
    )


class Killed(Exception):
    pass


@pytest.mark.parametrize("stop_at", [1, 7, 10, 19])
def test_stopped_anywhere_it_ends_in_the_same_weights_bit_for_bit(tmp_path, stop_at):
    straight = run(tmp_path / "straight").state_dict()

    def step_until(state, batch, generator):
        if state.step == stop_at:
            raise Killed
        return step(state, batch, generator)

    with pytest.raises(Killed):
        run(tmp_path / "stopped", step=step_until)
    resumed = run(tmp_path / "stopped").state_dict()
    for name, value in straight.items():
        assert torch.equal(value, resumed[name]), name


def test_the_log_of_a_resumed_training_has_every_step_once(tmp_path, monkeypatch):
    monkeypatch.setattr("disc.train.log.EVERY", 2)

    def step_until(state, batch, generator):
        if state.step == 9:
            raise Killed
        return step(state, batch, generator)

    with pytest.raises(Killed):
        run(tmp_path, step=step_until)
    run(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert steps[-1] == 20


def test_it_learns(tmp_path):
    torch.manual_seed(0)
    x = batch_at(99)["x"]
    before = (network().eval()(x) - x.sum(1, keepdim=True)).square().mean()
    after = (run(tmp_path, steps=150)(x) - x.sum(1, keepdim=True)).square().mean()
    assert after < 0.3 * before


def test_without_ema_the_last_weights_are_returned(tmp_path):
    kept = {}

    def keep(network, step):
        kept.update({key: value.clone() for key, value in network.state_dict().items()})
        return {}

    final = run(tmp_path, ema=0.0, hooks=Hooks(hooks=[keep]))
    for name, value in final.state_dict().items():
        assert torch.equal(value, kept[name])


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path):
    def explode(state, batch, generator):
        metrics = step(state, batch, generator)
        return {"loss": metrics["loss"] * (float("nan") if state.step == 12 else 1.0)}

    with pytest.raises(FloatingPointError, match="step 12"):
        run(tmp_path, step=explode)
    assert (tmp_path / "checkpoint.safetensors").exists()


def test_a_gradient_that_is_not_finite_stops_before_it_corrupts_a_weight(tmp_path):
    """The square root of zero is finite, its derivative is not."""
    networks = []

    def explode(state, batch, generator):
        networks[:] = [state.network]
        loss = step(state, batch, generator)["loss"]
        return {"loss": (0 * loss).sqrt() if state.step == 12 else loss}

    with pytest.raises(FloatingPointError, match=r"norm of its gradient is nan at step 12"):
        run(tmp_path, step=explode)
    assert all(bool(torch.isfinite(p).all()) for p in networks[0].parameters())


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    run(tmp_path, steps=5)
    with pytest.raises(BadInput, match="another network"):
        train(
            model=nn.Linear(3, 3),
            step=step,
            batch_at=batch_at,
            optim=Optim(steps=5),
            folder=tmp_path,
            seed=0,
        )


def test_rates():
    optim = Optim(steps=100, lr=1.0, warmup=10, decay="cosine")
    assert rate_at(0, optim) == pytest.approx(0.1)
    assert rate_at(50, optim) == pytest.approx(0.5)
    assert rate_at(99, optim) < 0.01
