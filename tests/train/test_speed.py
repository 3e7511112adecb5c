"""Running a network faster or in less memory must not change what it learns."""

import json
import runpy
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from disc.files import BadInput
from disc.model.denoiser import Denoiser
from disc.presets import smoke
from disc.settings.denoiser import Denoiser as DenoiserSettings
from disc.settings.training import Optim, Speed
from disc.train.ema import Ema
from disc.train.loop import train
from disc.train.objectives.diffusion import train_denoiser
from disc.train.speed import Runner, recompute_activations, set_up

SETTINGS = DenoiserSettings(channels=(16,), attention=(True,), head_channels=16, context=16)
OPTIM = Optim(steps=4, batch=8, lr=1e-3, warmup=1, ema=0.9, checkpoint_every=2)


def batch_at(step):
    generator = torch.Generator().manual_seed(step)
    masks = torch.randint(0, 4, (8, 32, 32), generator=generator, dtype=torch.uint8)
    return {"latents": torch.randn(8, 3, 8, 8, generator=generator), "masks": masks}


def trained(folder, optim=OPTIM, **settings):
    torch.manual_seed(0)
    denoiser = Denoiser(replace(SETTINGS, **settings))
    return train_denoiser(denoiser, batch_at, optim, folder, 1).state_dict()


def losses(folder, optim=OPTIM, **settings):
    """The loss of every step: each follows from all weights, and so from all steps before.

    Weights themselves tell less: AdamW makes a step of a gradient that is rounding alone.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("disc.train.log.EVERY", 1)
        trained(folder, optim, **settings)
    lines = (folder / "log.jsonl").read_text().splitlines()
    return torch.tensor([json.loads(line)["loss"] for line in lines])


def furthest(one, two):
    if isinstance(one, torch.Tensor):
        return float((one - two).abs().max())
    return max(furthest(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return losses(tmp_path_factory.mktemp("plain"))


def test_gradient_accumulation_learns_what_a_whole_batch_does(plain, tmp_path):
    other_rate = losses(tmp_path / "other_rate", replace(OPTIM, lr=0.9e-3))
    in_pieces = losses(tmp_path / "pieces", replace(OPTIM, speed=Speed(accumulate=4)))
    assert furthest(plain, in_pieces) < 1e-5 < furthest(plain, other_rate)


def test_gradients_of_pieces_add_up_to_the_gradient_of_the_batch(tmp_path):
    """Plain descent without clipping: the first step is the gradient itself."""

    def first_gradient(pieces):
        network = nn.Linear(4, 1)
        nn.init.constant_(network.weight, 0.5)
        nn.init.zeros_(network.bias)

        def step(state, batch, generator):
            noise = torch.randn(12, 1, generator=generator)
            error = state.model(batch["x"]) - state.share.take(noise)
            return {"loss": error.square().mean()}

        x = torch.randn(12, 4, generator=torch.Generator().manual_seed(5))
        optim = Optim(steps=1, batch=12, clip=1e9, speed=Speed(accumulate=pieces))
        folder = tmp_path / str(pieces)
        train(
            model=network,
            step=step,
            batch_at=lambda _: {"x": x},
            optim=optim,
            folder=folder,
            seed=2,
        )
        kept = safetensors.torch.load_file(folder / "checkpoint.safetensors")
        return kept["optimizer.0.exp_avg"] * 10  # AdamW keeps a tenth of the first gradient

    torch.testing.assert_close(first_gradient(1), first_gradient(3), atol=1e-6, rtol=1e-5)


def test_a_batch_that_does_not_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="8 does not split into 3 equal pieces"):
        replace(OPTIM, speed=Speed(accumulate=3))


def test_activation_checkpointing_changes_nothing(plain, tmp_path):
    again = losses(tmp_path, replace(OPTIM, speed=Speed(checkpoint_activations=True)))
    assert furthest(plain, again) < 1e-6


def test_activation_checkpointing_keeps_fewer_activations():
    def kept_bytes(is_wanted):
        denoiser = Denoiser(SETTINGS).train()
        recompute_activations(denoiser, is_wanted)
        sizes = {}

        def keep(tensor):
            sizes[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        batch = batch_at(0)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            denoiser(batch["latents"], torch.full((8,), 5), batch["masks"])
        return sum(sizes.values())

    assert kept_bytes(True) < 0.5 * kept_bytes(False)


def test_a_network_without_activation_checkpointing_is_refused(tmp_path):
    with pytest.raises(BadInput, match="checkpoint_activations: Linear does not support it"):
        set_up(nn.Linear(2, 2), replace(OPTIM, speed=Speed(checkpoint_activations=True)))


def test_channels_last_is_used_changes_nothing_and_is_undone(plain, tmp_path):
    speed = Speed(channels_last=True)
    network = Denoiser(SETTINGS)
    set_up(network, replace(OPTIM, speed=speed))
    weight = network.unet.conv_out.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert furthest(plain, losses(tmp_path / "log", replace(OPTIM, speed=speed))) < 1e-5
    weights = trained(tmp_path / "weights", replace(OPTIM, steps=1, speed=speed))
    assert all(value.is_contiguous() for value in weights.values())


def test_stopped_with_channels_last_it_ends_in_the_same_weights(tmp_path):
    optim = replace(OPTIM, speed=Speed(channels_last=True))
    straight = trained(tmp_path / "straight", optim)
    trained(tmp_path / "stopped", replace(optim, steps=2))
    resumed = trained(tmp_path / "stopped", optim)
    assert furthest(straight, resumed) == 0


def test_bfloat16_rounds_products_and_keeps_weights_and_losses(plain, tmp_path):
    optim = replace(OPTIM, precision="bfloat16")
    assert 1e-6 < furthest(plain, losses(tmp_path / "log", optim)) < 1e-2
    short = replace(optim, steps=2)
    rounded = trained(tmp_path / "one", short)
    assert all(value.dtype == torch.float32 for value in rounded.values())
    assert furthest(rounded, trained(tmp_path / "two", short)) == 0
    network, inside = Denoiser(SETTINGS), {}
    network.unet.conv_out.register_forward_hook(lambda m, i, o: inside.update(out=o.dtype))
    called, batch = set_up(network, optim), batch_at(0)
    given = called(batch["latents"], torch.full((8,), 5), batch["masks"])
    assert (inside["out"], given.dtype) == (torch.bfloat16, torch.float32)


def test_the_moving_average_is_that_of_its_formula():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    ema, expected = Ema(network, 0.9), network[0].weight.detach().clone()
    for step in range(3):
        with torch.no_grad():
            network[0].weight += 1
            network[1].running_mean += 2
        ema.update(network, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network[0].weight.detach()
    torch.testing.assert_close(ema.weights["0.weight"], expected)
    assert torch.equal(ema.weights["1.running_mean"], network[1].running_mean)


@pytest.mark.slow
def test_compiled_for_one_shape_it_is_compiled_once_and_whole(monkeypatch):
    """Captured as on a GPU, with the graph run as it is: the kernels are not ours to test."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    network = Denoiser(SETTINGS).train()
    compiled = Runner(network, is_cast=False, is_compiled=True)
    assert len(list(compiled.parameters())) == len(list(network.parameters()))
    for step in range(3):
        batch, t = batch_at(step), torch.arange(8) * 100 + step
        given = compiled(batch["latents"], t, batch["masks"])
        torch.testing.assert_close(given, network(batch["latents"], t, batch["masks"]))
        given.sum().backward()
    counters = torch._dynamo.utils.counters
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_on_a_cpu_nothing_is_compiled():
    network = Denoiser(SETTINGS)
    assert set_up(network, replace(OPTIM, speed=Speed(compile=True))) is network


def test_the_benchmark_times_every_step_of_the_loop():
    path = Path(__file__).parents[2] / "benchmarks" / "training.py"
    run = replace(smoke(), denoiser=replace(SETTINGS, optim=replace(OPTIM, steps=3, batch=2)))
    times = runpy.run_path(str(path))["train_ours"](run, 64)
    assert len(times) == 3
    assert times == sorted(times)
