"""Every solver, fed the exact prediction for Gaussian latents, against the flow's own solution."""

import dataclasses
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from disc.model.schedule import Schedule, alpha_bar
from disc.settings.sampling import Solver

MEAN, STD = 1.0, 0.5
SOLVERS = ["ddim", "dpmpp-2m", "unipc"]
SPACINGS = ["leading", "trailing", "linspace", "logsnr"]
SCHEDULES = {"plain": Schedule(), "zero terminal": Schedule(has_zero_terminal=True)}
COUNTS = [1, 2, 3, 8, 10, 15, 16, 25, 61, 121]
"""All of 1..999 in the slow test."""
LATENT_DIFFUSION = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "steps_offset": 1,
}


def predict(z, level, gives_velocity):
    """The mean of the noise, or of the velocity, given z = sqrt(level) z_0 + sqrt(1 - level) e."""
    signal, noise = level.sqrt(), (1 - level).sqrt()
    gain = (z - signal * MEAN) / (level * STD**2 + 1 - level)
    eps, z_0 = noise * gain, MEAN + signal * STD**2 * gain
    return signal * eps - noise * z_0 if gives_velocity else eps


def transport(schedule, solver):
    """Mean and standard deviation of what noise becomes: all is linear, so two points tell."""
    scheduler = schedule.make_scheduler(solver)
    levels = alpha_bar(schedule.has_zero_terminal)
    z = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    for t in scheduler.timesteps:
        predicted = predict(z, levels[t], schedule.has_zero_terminal)
        z = scheduler.step(predicted, t, z, return_dict=False)[0]
    at_zero, at_one = z.flatten().tolist()
    return at_zero, abs(at_one - at_zero)


def flow(schedule, solver):
    """The same of the exact probability flow from the first time step, which starts at noise."""
    level = alpha_bar(schedule.has_zero_terminal)[schedule.time_steps(solver)[0]]
    gain = STD / float((level * STD**2 + 1 - level).sqrt())
    return MEAN - gain * float(level.sqrt()) * MEAN, gain


def allowed(spacing, num, schedule):
    is_refused = spacing == "leading" and (num < 10 or schedule.has_zero_terminal)
    return not is_refused


def check(name, spacing, schedule, counts):
    for num in counts:
        if not allowed(spacing, num, schedule):
            continue
        solver = Solver(name=name, steps=num, spacing=spacing)
        steps = schedule.time_steps(solver)
        assert len(steps) == num
        assert all(a > b for a, b in pairwise([1000, *steps, -1])), f"{num}: {steps}"
        assert steps[0] >= 900, num
        mean, std = transport(schedule, solver)
        expected_mean, expected_std = flow(schedule, solver)
        assert abs(mean - MEAN) < 0.02, (num, mean)
        assert abs(mean - expected_mean) < 0.02, (num, mean)
        # strides of 1 / num are an error of that order; t = 1, where it ends, costs .003
        assert abs(std - STD) < 0.004 + 1.8 / num, (num, std)
        assert abs(std - expected_std) < 0.004 + 1.8 / num, (num, std)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", SOLVERS)
def test_exact_predictions_end_at_the_latents(name, spacing, schedule):
    check(name, spacing, schedule, COUNTS)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", SOLVERS)
def test_exact_predictions_end_at_the_latents_for_every_count(name, spacing, schedule):
    check(name, spacing, schedule, range(1, 1000))


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("name", ["dpmpp-2m", "unipc"])
@pytest.mark.parametrize("num", [8, 15, 25])
def test_second_order_needs_few_steps_where_they_are_even_in_log_snr(name, schedule, num):
    _, std = transport(schedule, Solver(name=name, steps=num, spacing="logsnr"))
    assert abs(std - STD) < 0.02
    _, std = transport(schedule, Solver(name=name, steps=num, spacing="trailing"))
    assert STD - std > 0.05  # what is lost in one step from t = 1000 / num to the end


@pytest.mark.parametrize("num", [n for n in range(10, 1000) if 1000 % n == 0])
def test_where_steps_divide_1000_they_are_latent_diffusions(num):
    compvis = list(range(1, 1001, 1000 // num))[::-1]
    ours = Schedule().make_scheduler(Solver(name="ddim", steps=num, spacing="leading")).timesteps
    theirs = DDIMScheduler(**LATENT_DIFFUSION)
    theirs.set_timesteps(num)
    assert ours.tolist() == compvis == theirs.timesteps.tolist()


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
def test_ddim_is_diffusers_where_steps_divide_1000(eta, predicts):
    ours = Schedule().make_scheduler(Solver(name="ddim", steps=200, spacing="leading"))
    ours.register_to_config(prediction_type=predicts)
    theirs = DDIMScheduler(
        **LATENT_DIFFUSION, clip_sample=False, set_alpha_to_one=False, prediction_type=predicts
    )
    theirs.set_timesteps(200)
    generator = torch.Generator().manual_seed(0)
    z, out, noise = (torch.randn(2, 3, 4, 4, generator=generator) for _ in range(3))
    for t in ours.timesteps:
        added = {"eta": eta, "variance_noise": noise if eta else None}
        expected = theirs.step(out, t, z, **added).prev_sample
        torch.testing.assert_close(ours.step(out, t, z, **added).prev_sample, expected)


def test_dpm_solver_is_diffusers_on_the_same_time_steps():
    ours = Schedule().make_scheduler(Solver(steps=20, spacing="trailing"))
    theirs = DPMSolverMultistepScheduler(**LATENT_DIFFUSION, timestep_spacing="trailing")
    theirs.set_timesteps(20)
    assert torch.equal(ours.timesteps, theirs.timesteps)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas)


@pytest.mark.parametrize("num", [1, 2, 8])
def test_leading_with_few_steps_is_refused_with_what_to_choose(num):
    with pytest.raises(ValueError, match=r"t = \d+ .*choose logsnr, trailing or linspace") as found:
        Solver(steps=num, spacing="leading")
    start = max(range(1, 1001, 1000 // num))
    assert f"t = {start} " in str(found.value)


def test_noise_that_a_solver_does_not_add_is_refused():
    with pytest.raises(ValueError, match=r"dpmpp-2m adds no noise; choose solver\.name ddim"):
        Solver(eta=0.5)
    with pytest.raises(ValueError, match="eta"):
        Solver(name="ddim", eta=1.5)
    with pytest.raises(ValueError, match="guidance_interval"):
        dataclasses.replace(Solver(), guidance_interval=(500, 400))


def test_with_noise_added_at_every_step_latents_keep_their_spread():
    """DDIM with eta 1 is ancestral sampling: it ends at the same Gaussian."""
    schedule, generator = Schedule(), torch.Generator().manual_seed(0)
    scheduler = schedule.make_scheduler(Solver(name="ddim", steps=500, eta=1.0, spacing="leading"))
    z = torch.randn(10_000, 1, 1, 1, generator=generator)
    for t in scheduler.timesteps:
        added = torch.randn(z.shape, generator=generator)
        predicted = predict(z, alpha_bar()[t], gives_velocity=False)
        z = scheduler.step(predicted, t, z, eta=1.0, variance_noise=added).prev_sample
    assert abs(float(z.mean()) - MEAN) < 0.02
    assert abs(float(z.std()) - STD) < 0.02
