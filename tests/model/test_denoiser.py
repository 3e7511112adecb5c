import dataclasses

import pytest
import torch
from diffusers import UNet2DConditionModel

from disc import settings
from disc.files import BadInput
from disc.model.denoiser import Denoiser
from disc.model.schedule import alpha_bar
from disc.model.tokens import grid_positions, one_hot

SMALL = settings.Denoiser(channels=(16, 32), attention=(False, True), head_px=16, context=16)


def inputs(num=2):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(num, 3, 8, 8, generator=generator)
    masks = torch.randint(0, 4, (num, 32, 32), generator=generator, dtype=torch.uint8)
    return z, torch.tensor([5] * num), masks


def test_velocity_and_noise_are_two_names_of_one_prediction():
    """A U-Net that gives v and one that gives eps agree if their outputs are each other's."""
    torch.manual_seed(0)
    denoiser = Denoiser(SMALL).eval()
    z, t, masks = inputs()
    level = alpha_bar()[t][:, None, None, None]
    with torch.no_grad():
        eps = denoiser(z, t, masks)
        z_0 = (z - (1 - level).sqrt() * eps) / level.sqrt()
        velocity = level.sqrt() * eps - (1 - level).sqrt() * z_0
        denoiser.predicts = "eps"
        torch.testing.assert_close(denoiser(z, t, masks), velocity, atol=1e-4, rtol=1e-4)


def test_the_velocity_loss_is_the_noise_loss_over_alpha_bar():
    t = torch.tensor([3, 600])
    weights = Denoiser(SMALL).weigh_losses(t).flatten()
    torch.testing.assert_close(weights, 1 / alpha_bar()[t])
    eps = dataclasses.replace(SMALL, predicts="eps")
    assert Denoiser(eps).weigh_losses(t).flatten().tolist() == [1, 1]


def test_a_tile_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    denoiser = Denoiser(SMALL).eval()
    z, t, masks = inputs(4)
    with torch.no_grad():
        together = denoiser(z, t, masks)
        alone = torch.cat([denoiser(z[i : i + 1], t[:1], masks[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_saved_and_loaded_it_is_the_same_and_diffusers_reads_it(tmp_path):
    denoiser = Denoiser(SMALL).eval()
    denoiser.save(tmp_path)
    again = Denoiser.load(tmp_path, SMALL)
    z, t, masks = inputs()
    with torch.no_grad():
        torch.testing.assert_close(again(z, t, masks), denoiser(z, t, masks))
    unet = UNet2DConditionModel.from_pretrained(tmp_path / "unet")
    assert unet.config.in_channels == 8


def test_a_checkpoint_of_another_shape_is_refused_by_name(tmp_path):
    Denoiser(SMALL).save(tmp_path)
    other = settings.Denoiser(channels=(32, 64), attention=(False, True), head_px=16, context=16)
    with pytest.raises(BadInput, match=r"diffusion_pytorch_model.*expected"):
        Denoiser.load(tmp_path, other)


def test_unknown_pixels_are_a_class_of_their_own():
    planes = one_hot(torch.tensor([[[0, 3, 255]]], dtype=torch.uint8))
    assert planes[0, :, 0].argmax(0).tolist() == [0, 3, 4]


def test_positions_differ_everywhere():
    grid = grid_positions(4, 5, 32)
    assert len(torch.unique(grid, dim=0)) == 20
