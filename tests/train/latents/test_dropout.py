import pytest
import torch

from disc.train.diagnose import NamedBatches
from disc.train.latents.dropout import drop_masks


def draw(step):
    masks = torch.full((50, 8, 8), 2, dtype=torch.uint8)
    slides = torch.ones(50, 4, dtype=torch.uint8)
    return {"latents": torch.zeros(50, 3, 2, 2), "masks": masks, "slides": slides}


batch_at = NamedBatches(draw, lambda step: [f"{step} {i}" for i in range(50)])


def test_about_the_fraction_loses_its_whole_mask_and_its_slide():
    dropped_at = drop_masks(batch_at, 0.2, seed=0, purpose="x")
    batches = [dropped_at(step) for step in range(40)]
    masks = torch.cat([batch["masks"] for batch in batches]).flatten(1)
    slides = torch.cat([batch["slides"] for batch in batches])
    is_dropped = (masks == 255).all(1)
    assert is_dropped.float().mean() == pytest.approx(0.2, abs=0.03)
    assert (masks[~is_dropped] == 2).all()
    assert not slides[is_dropped].any()
    assert slides[~is_dropped].all()


def test_it_is_a_function_of_the_step_and_does_not_change_the_batches():
    dropped_at = drop_masks(batch_at, 0.5, seed=0, purpose="x")
    assert torch.equal(dropped_at(3)["masks"], dropped_at(3)["masks"])
    assert not torch.equal(dropped_at(3)["masks"], dropped_at(4)["masks"])
    assert (batch_at(3)["masks"] == 2).all()


def test_a_tile_with_the_null_condition_keeps_its_name():
    assert drop_masks(batch_at, 0.5, seed=0, purpose="x").names_at(3)[7] == "3 7"


def test_nothing_is_dropped_by_default():
    assert drop_masks(batch_at, 0.0, seed=0, purpose="x") is batch_at
