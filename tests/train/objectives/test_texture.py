import pytest
import torch

from disc.train.objectives.texture import frequency_loss, gradient_loss, pyramid_loss, texture_loss

IMAGES = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("loss", [texture_loss, pyramid_loss, gradient_loss, frequency_loss])
def test_equal_images_cost_nothing(loss):
    assert float(loss(IMAGES, IMAGES)) == pytest.approx(0, abs=1e-6)


def test_the_pyramids_levels_add_up_to_a_step_of_each_frequency():
    """A checkerboard is in the finest level alone; a constant in none."""
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2.0 - 1
    board = board.expand(1, 3, 32, 32)
    assert float(pyramid_loss(board, torch.zeros_like(board))) == pytest.approx(1, abs=1e-6)
    flat = torch.ones_like(board)
    assert float(pyramid_loss(flat, torch.zeros_like(board))) == pytest.approx(0, abs=1e-6)


def test_gradients_are_compared_by_size():
    ramp = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    assert float(gradient_loss(ramp, -ramp)) == pytest.approx(0, abs=1e-6)
    assert float(gradient_loss(ramp, torch.zeros_like(ramp))) == pytest.approx(2 / 31, abs=1e-6)


def test_a_lone_frequency_costs_its_power_and_a_weak_one_beside_it_less():
    wave = torch.cos(2 * torch.pi * 4 * torch.arange(32) / 32).expand(1, 3, 32, 32)
    fast = torch.cos(2 * torch.pi * 8 * torch.arange(32) / 32).expand(1, 3, 32, 32)
    zero = torch.zeros_like(wave)
    alone = float(frequency_loss(0.1 * fast, zero))
    beside = float(frequency_loss(wave + 0.1 * fast, zero)) - float(frequency_loss(wave, zero))
    # |F| / max |F| is 1 alone and 0.1 beside a wave that is ten times as strong
    assert beside == pytest.approx(0.1 * alone, rel=1e-3)
    assert float(frequency_loss(2 * wave, zero)) == pytest.approx(
        4 * float(frequency_loss(wave, zero))
    )


def test_blur_costs_more_than_by_l1_alone():
    coarse = torch.nn.functional.avg_pool2d(IMAGES, 2).repeat_interleave(2, 2)
    blurred = coarse.repeat_interleave(2, 3)
    l1 = float((blurred - IMAGES).abs().mean())
    assert float(texture_loss(blurred, IMAGES)) > 2 * l1
