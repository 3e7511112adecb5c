import pytest
import torch

from disc.sample.plans import Plan
from disc.sample.separated import denoise_labels, fuse, shrink_masks
from disc.sample.solver import denoise, draw_noise
from disc.sample.trajectory import Order, follow_plan
from disc.settings.sampling import Sample, Solver
from tests.sample.small_denoiser import build_small_denoiser

SETTINGS = Sample(solver=Solver(steps=3, spacing="trailing"), batch=4)


def denoise_separated(denoiser, noise, masks):
    """As the paper's plan has it, the way that samplers go."""
    return follow_plan(denoiser, Order(noise, masks), Plan(name="end"), SETTINGS)


@pytest.fixture(scope="module")
def denoiser():
    return build_small_denoiser()


@pytest.fixture(scope="module")
def masks():
    masks = torch.zeros(3, 32, 32, dtype=torch.uint8)
    masks[0] = 2
    masks[1, :, 16:] = 1
    masks[2, 8:, :] = 3
    masks[2, 20:, 16:] = 2
    return masks


def test_fusing_is_the_sum_of_masked_latents():
    bundle = torch.randn(2, 4, 3, 8, 8)
    masks = torch.randint(0, 4, (2, 32, 32), dtype=torch.uint8)
    small = shrink_masks(masks, 8)
    expected = sum(bundle[:, k] * (small == k)[:, None] for k in range(4))
    torch.testing.assert_close(fuse(bundle, masks), expected)


def test_fusing_refuses_what_is_no_label():
    with pytest.raises(ValueError, match="255"):
        fuse(torch.zeros(1, 4, 3, 8, 8), torch.full((1, 32, 32), 255, dtype=torch.uint8))


def test_no_masks_are_fused_to_no_latents():
    """As where no training shape has two labels."""
    bundle, masks = torch.zeros(0, 4, 3, 8, 8), torch.zeros(0, 32, 32, dtype=torch.uint8)
    assert fuse(bundle, masks).shape == (0, 3, 8, 8)


def test_for_a_single_class_mask_separated_is_plain(denoiser, masks):
    noise = draw_noise([7], 8)
    plain = denoise(denoiser, noise, masks[:1], SETTINGS)
    torch.testing.assert_close(denoise_separated(denoiser, noise, masks[:1]), plain)


def test_each_region_is_its_label_alone(denoiser, masks):
    noise = draw_noise([1, 2, 3], 8)
    mixed = denoise_separated(denoiser, noise, masks)
    alone = denoise(denoiser, noise[1:2], torch.ones(1, 32, 32, dtype=torch.uint8), SETTINGS)
    torch.testing.assert_close(mixed[1, :, :, 4:], alone[0, :, :, 4:], atol=1e-4, rtol=1e-4)


def test_a_tile_depends_on_its_seed_alone(denoiser, masks):
    noise = draw_noise([1, 2, 3], 8)
    together = denoise_separated(denoiser, noise, masks)
    last = denoise_separated(denoiser, draw_noise([3], 8), masks[2:])
    torch.testing.assert_close(together[2:], last, atol=1e-4, rtol=1e-4)


def test_labels_that_are_not_wanted_stay_zero(denoiser):
    wanted = torch.tensor([[True, False, True, False]])
    bundle = denoise_labels(denoiser, draw_noise([5], 8), wanted, SETTINGS)
    assert not bundle[0, [1, 3]].any()
    assert bundle[0, [0, 2]].flatten(1).any(1).all()


def test_noise_is_a_function_of_the_seed():
    torch.testing.assert_close(draw_noise([3, 9], 4)[1], draw_noise([9], 4)[0])
    assert not torch.equal(draw_noise([3], 4), draw_noise([4], 4))
