import numpy as np
import pytest
import torch

from disc.sample.bank import Bank
from disc.sample.separated import shrink_masks
from disc.train.draws import epoch_indices, transform
from disc.train.latents.latent_set import LatentSet, draw_batches, unknown_slides
from disc.train.objectives.distil import cotrain_batches, distil_batches


def latent_set(labels):
    """Tiles of one label each, or of two for -1; latents hold the tile's number."""
    masks = torch.zeros(len(labels), 1, 16, 16, dtype=torch.uint8)
    for i, label in enumerate(labels):
        masks[i] = max(label, 0)
        if label < 0:
            masks[i, :, 8:] = 1
    numbers = torch.arange(len(labels), dtype=torch.float32)[:, None, None, None, None]
    slides = unknown_slides(len(labels))
    return LatentSet(numbers.expand(-1, 1, 3, 4, 4).clone(), masks, np.array(labels), slides)


def bank():
    """Label k's latent is k everywhere."""
    latents = torch.arange(4.0)[None, :, None, None, None].expand(6, 4, 3, 4, 4).clone()
    return Bank([latents], list(range(6)), (0, 1, 2, 3))


def test_every_tile_comes_once_an_epoch():
    drawn = [epoch_indices(10, step=i, batch=5, seed=0, purpose="x") for i in range(4)]
    assert sorted(np.concatenate(drawn[:2])) == list(range(10))
    assert sorted(np.concatenate(drawn[2:])) == list(range(10))
    assert not np.array_equal(np.concatenate(drawn[:2]), np.concatenate(drawn[2:]))


def test_the_eight_flips_and_rotations_are_different():
    square = np.arange(9, dtype=np.uint8).reshape(3, 3)
    assert len({transform(square, version).tobytes() for version in range(8)}) == 8


def test_the_rarest_label_has_its_fraction_of_uniform_masks():
    """97 benign tiles, three of GG5: half of the uniform masks must be GG5."""
    batch_at = draw_batches(
        latent_set([0] * 97 + [3] * 3), batch=20, uniform_fraction=0.5, seed=0, purpose="x"
    )
    fraction = np.mean([(batch_at(i)["masks"][10:, 0, 0] == 3).float().mean() for i in range(40)])
    assert fraction == pytest.approx(0.5, abs=0.1)


def test_latents_and_masks_stay_together():
    tiles = latent_set([0, 1, 2, -1])
    batch = draw_batches(tiles, batch=8, uniform_fraction=0.25, seed=3, purpose="x")(5)
    for latent, mask in zip(batch["latents"], batch["masks"], strict=True):
        assert torch.equal(mask, tiles.masks[int(latent[0, 0, 0]), 0])


def test_a_batch_is_a_function_of_the_step():
    batch_at = draw_batches(
        latent_set([0, 1, -1]), batch=4, uniform_fraction=0.5, seed=0, purpose="x"
    )
    assert torch.equal(batch_at(7)["latents"], batch_at(7)["latents"])


def test_distilled_latents_follow_their_masks():
    shapes = [np.zeros((16, 16), np.uint8), np.repeat([[0], [1]], 8, 0).repeat(16, 1)]
    shapes[1] = shapes[1].astype(np.uint8)
    batch = distil_batches(bank(), shapes, batch=32, seed=0, purpose="x")(3)
    small = shrink_masks(batch["masks"], 4)
    torch.testing.assert_close(batch["latents"][:, 0], small.float())
    assert len({tuple(mask.unique().tolist()) for mask in batch["masks"]}) > 4


def test_masks_are_new_at_every_step():
    shapes = [np.repeat([[0], [1]], 8, 0).repeat(16, 1).astype(np.uint8)]
    batch_at = distil_batches(bank(), shapes, batch=16, seed=0, purpose="x")
    assert not torch.equal(batch_at(0)["masks"], batch_at(1)["masks"])
    assert torch.equal(batch_at(1)["masks"], batch_at(1)["masks"])


def test_cotraining_is_half_real_half_distilled():
    real = draw_batches(latent_set([0]), batch=4, uniform_fraction=0, seed=0, purpose="x")
    distilled = distil_batches(bank(), [np.zeros((16, 16), np.uint8)], batch=4, seed=0, purpose="y")
    batch = cotrain_batches(real, distilled)(2)
    assert torch.equal(batch["latents"][:4], real(2)["latents"])
    assert torch.equal(batch["masks"][4:], distilled(2)["masks"])
