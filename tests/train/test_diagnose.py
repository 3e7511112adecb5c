"""A loss that is not finite stops the training within one step and names the tiles."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.processes import Share
from disc.sample.bank import Bank
from disc.settings.training import Optim
from disc.train.checkpoint import State
from disc.train.diagnose import NamedBatches, diagnose
from disc.train.latents.latent_set import LatentSet, draw_batches, draw_tiles, unknown_slides
from disc.train.loop import train
from disc.train.objectives.distil import cotrain_batches, distil_batches

NUM, SIZE = 12, 4


def latent_set():
    """Latents hold the tile's number."""
    numbers = torch.arange(float(NUM))[:, None, None, None, None].expand(-1, 2, 3, 4, 4)
    masks = torch.zeros(NUM, 2, 16, 16, dtype=torch.uint8)
    names = tuple(f"slide{i // 4}_tile{i}" for i in range(NUM))
    labels, slides = np.zeros(NUM, np.int64), unknown_slides(NUM)
    return LatentSet(numbers.clone(), masks, labels, slides, names)


def batches(latents, uniform_fraction=0.5):
    return draw_batches(latents, batch=SIZE, uniform_fraction=uniform_fraction, seed=0, purpose="x")


def step(state, batch, generator):
    return {"loss": (state.model(batch["latents"]) - 1).square().mean()}


def run(folder, batch_at, *, steps=20, step=step, lr=1e-3):
    torch.manual_seed(0)
    optim = Optim(steps=steps, batch=SIZE, lr=lr, warmup=1, checkpoint_every=1)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 1))
    train(model=net, step=step, batch_at=batch_at, optim=optim, folder=folder, seed=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_planted_tile_is_named_at_the_first_step_that_holds_it(tmp_path, value):
    latents, sound = latent_set(), batches(latent_set(), uniform_fraction=0)
    first = next(i for i in range(20) if (sound(i)["latents"][:, 0, 0, 0] == 7).any())
    latents.latents[7, :, 1, 2, 3] = value
    with pytest.raises(FloatingPointError, match=rf"at step {first}, from slide1_tile7;"):
        run(tmp_path, batches(latents, uniform_fraction=0))


def test_several_tiles_are_named_and_many_counted(tmp_path):
    latents = latent_set()
    latents.latents[:] = float("nan")
    many = draw_batches(latents, batch=8, uniform_fraction=0, seed=0, purpose="x")
    with pytest.raises(FloatingPointError, match=r"step 0, from (slide\d_tile\d+, ){4}.* and 3 mo"):
        run(tmp_path, many)


def test_a_tile_whose_own_loss_is_not_finite_is_named(tmp_path):
    """Finite values whose loss is not: found by running the step on each sample alone."""

    def logarithm(state, batch, generator):
        found = step(state, batch, generator)["loss"]
        return {"loss": found + batch["latents"].mean((1, 2, 3)).log().mean()}

    sound = batches(latent_set(), uniform_fraction=0)
    first = next(i for i in range(20) if (sound(i)["latents"][:, 0, 0, 0] == 0).any())
    with pytest.raises(FloatingPointError, match=rf"loss is -inf at step {first}, from slide0_ti"):
        run(tmp_path, sound, step=logarithm)


def test_a_diverged_training_names_no_tile(tmp_path):
    def explode(state, batch, generator):
        found = step(state, batch, generator)["loss"]
        return {"loss": found * (float("nan") if state.step == 2 else 1)}

    with pytest.raises(
        FloatingPointError, match=r"step 2 .*diverged.*lower the learning"
    ) as caught:
        run(tmp_path, batches(latent_set()), step=explode)
    assert "tile" not in str(caught.value)


def test_every_process_names_the_sample_of_the_whole_batch():
    latents, whole = latent_set(), batches(latent_set(), uniform_fraction=0)
    names = whole.names_at(0)
    latents.latents[latents.names.index(names[3]), :] = float("nan")
    net = nn.Linear(1, 1)
    for share in (Share(0, 2), Share(1, 2)):
        state = State(net, net, torch.optim.AdamW(net.parameters()), None, share)
        message = diagnose(state, step, batches(latents, uniform_fraction=0), float("nan"))
        assert f"from {names[3]};" in message


def test_names_are_those_of_the_samples_in_the_batch(tmp_path):
    latents = latent_set()
    real = batches(latents)
    for number in range(6):
        shown = real(number)["latents"][:, 0, 0, 0].int().tolist()
        assert real.names_at(number) == [latents.names[i] for i in shown]
    numbers = torch.arange(6.0)[:, None, None, None, None].expand(-1, 4, 3, 4, 4)
    bank = Bank([numbers.clone()], list(range(6)), (0, 1, 2, 3))
    shapes = [np.zeros((16, 16), np.uint8)]
    distilled = distil_batches(bank, shapes, batch=3, seed=0, purpose="y")
    shown = distilled(4)["latents"][:, 0, 0, 0].int().tolist()
    assert distilled.names_at(4) == [f"bundle {i} of the bank" for i in shown]
    both = cotrain_batches(real, distilled)
    assert both.names_at(4) == real.names_at(4) + distilled.names_at(4)


class Numbered(TileSet):
    """Tiles whose pixels hold their number."""

    def image(self, index):
        return np.full((32, 32, 3), 10 * index, np.uint8)


def test_the_autoencoders_tiles_have_names():
    tiles = tuple(
        Tile(name=f"tile{i}", slide_id="S", image=Path("x"), mask=None, x=0, y=0) for i in range(9)
    )
    numbered = Numbered(slides={"S": Slide(slide_id="S", patient_id="P")}, tiles=tiles, tile_px=32)
    drawn = draw_tiles(numbered, batch=4, seed=0)
    assert isinstance(drawn, NamedBatches)
    for number in range(4):
        shown = drawn(number)["tiles"][:, 0, 0, 0].tolist()
        assert drawn.names_at(number) == [f"tile{value // 10}" for value in shown]
