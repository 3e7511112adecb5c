import pytest
import torch

from disc import settings
from disc.model.schedule import add_noise, alpha_bar, make_scheduler


@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m"])
def test_our_levels_are_those_of_the_solvers(name):
    scheduler = make_scheduler(settings.Solver(name=name, steps=10))
    torch.testing.assert_close(scheduler.alphas_cumprod, alpha_bar(), atol=1e-5, rtol=1e-4)


def test_noise_is_added_as_diffusers_does():
    z, eps, t = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8), torch.tensor([0, 10, 500, 999])
    expected = make_scheduler(settings.Solver(name="ddim")).add_noise(z, eps, t)
    torch.testing.assert_close(add_noise(z, eps, t), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m"])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_an_exact_denoiser_of_one_point_lands_on_it(name, spacing):
    """If all data is one latent, the true noise is known and every solver must find the latent."""
    target = torch.full((1, 3, 4, 4), 0.7)
    scheduler = make_scheduler(settings.Solver(name=name, steps=20, spacing=spacing))
    z = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for t in scheduler.timesteps:
        level = alpha_bar()[t]
        eps = (z - level.sqrt() * target) / (1 - level).sqrt()
        z = scheduler.step(eps, t, z, return_dict=False)[0]
    torch.testing.assert_close(z, target, atol=0.12, rtol=0)
