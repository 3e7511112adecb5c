import pytest
import torch
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

from disc.files import BadInput
from disc.model.schedule import Schedule, alpha_bar
from disc.settings.sampling import Solver

PLAIN, ZERO = Schedule(), Schedule(has_zero_terminal=True)
SOLVERS = ["ddim", "dpmpp-2m"]


def solver(name, steps=20, spacing="trailing"):
    return Solver(name=name, steps=steps, spacing=spacing)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("schedule", [PLAIN, ZERO])
def test_our_levels_are_those_of_the_solvers(name, schedule):
    scheduler = schedule.make_scheduler(solver(name))
    ours = alpha_bar(schedule.has_zero_terminal)
    torch.testing.assert_close(scheduler.alphas_cumprod, ours, atol=1e-5, rtol=1e-4)


def test_the_zero_terminal_is_diffusers():
    beta = torch.linspace(0.0015**0.5, 0.0195**0.5, 1000, dtype=torch.float64) ** 2
    expected = torch.cumprod(1 - rescale_zero_terminal_snr(beta), 0).float()
    torch.testing.assert_close(alpha_bar(True), expected, atol=1e-6, rtol=1e-5)
    assert alpha_bar(True)[-1] == 0 < alpha_bar()[-1]
    torch.testing.assert_close(alpha_bar(True)[0], alpha_bar()[0])
    assert (alpha_bar(True).diff() < 0).all()


@pytest.mark.parametrize("schedule", [PLAIN, ZERO])
def test_noise_and_velocity_are_those_of_diffusers(schedule):
    z, eps, t = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8), torch.tensor([0, 10, 500, 999])
    reference = schedule.make_scheduler(solver("ddim"))
    expected = reference.add_noise(z, eps, t)
    torch.testing.assert_close(schedule.add_noise(z, eps, t), expected, atol=1e-5, rtol=1e-4)
    expected = reference.get_velocity(z, eps, t)
    torch.testing.assert_close(schedule.velocity(z, eps, t), expected, atol=1e-5, rtol=1e-4)


def test_at_the_zero_terminal_there_is_noise_alone():
    z, eps, t = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4), torch.tensor([999, 999])
    assert torch.equal(ZERO.add_noise(z, eps, t), eps)
    assert torch.equal(ZERO.velocity(z, eps, t), -z)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_an_exact_denoiser_of_one_point_lands_on_it(name, spacing):
    """If all data is one latent, the true noise is known and every solver must find the latent."""
    target = torch.full((1, 3, 4, 4), 0.7)
    scheduler = PLAIN.make_scheduler(solver(name, spacing=spacing))
    z = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for t in scheduler.timesteps:
        level = alpha_bar()[t]
        eps = (z - level.sqrt() * target) / (1 - level).sqrt()
        z = scheduler.step(eps, t, z, return_dict=False)[0]
    torch.testing.assert_close(z, target, atol=0.12, rtol=0)


@pytest.mark.parametrize("name", SOLVERS)
def test_an_exact_velocity_lands_on_it_from_noise_without_signal(name):
    target = torch.full((1, 3, 4, 4), 0.7)
    scheduler = ZERO.make_scheduler(solver(name))
    assert int(scheduler.timesteps[0]) == 999
    z = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for t in scheduler.timesteps:
        level = alpha_bar(True)[t]
        eps = (z - level.sqrt() * target) / (1 - level).sqrt()
        velocity = level.sqrt() * eps - (1 - level).sqrt() * target
        z = scheduler.step(velocity, t, z, return_dict=False)[0]
    torch.testing.assert_close(z, target, atol=0.12, rtol=0)


@pytest.mark.parametrize("spacing", ["leading"])
def test_a_spacing_that_leaves_out_the_last_step_is_refused(spacing):
    with pytest.raises(BadInput, match="needs trailing"):
        ZERO.make_scheduler(solver("ddim", spacing=spacing))
