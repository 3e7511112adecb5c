from dataclasses import replace

import numpy as np
import pytest
import torch

from disc.model.denoiser import Denoiser
from disc.model.schedule import NUM_STEPS, alpha_bar
from disc.processes import Share
from disc.sample.bank import Bank
from disc.sample.separated import fuse, shrink_masks
from disc.sample.solver import denoise, draw_noise
from disc.settings.denoiser import Denoiser as DenoiserSettings
from disc.settings.distillation import Student
from disc.settings.sampling import Sample
from disc.settings.training import Optim
from disc.train.checkpoint import State
from disc.train.draws import transform
from disc.train.hooks import Hooks
from disc.train.objectives.student import (
    Contest,
    draw_time_steps,
    student_batches,
    student_step,
    teach,
    turn_each,
)

KNOBS = Student()
SMALL = DenoiserSettings(
    channels=(16, 32), attention=(False, True), head_channels=16, context=16, token_stride=8
)
HALVES = np.repeat([[0], [1]], 16, 0).repeat(32, 1).astype(np.uint8)
UNIFORM = np.zeros((32, 32), np.uint8)
SEEDS = list(range(1000, 1200))


def made_bank(num):
    """Latents that their noise determines, in another way for every label."""
    seeds = [1000 + i for i in range(num)]
    noise = draw_noise(seeds, 8)
    latents = torch.stack([noise, -noise, noise.abs() - 0.8, noise.flip(1)], dim=1)
    return Bank([latents], seeds, (0, 1, 2, 3))


def state_of(denoiser, settings=KNOBS):
    contest = Contest(denoiser, settings)
    return State(model=contest, network=contest, optimizer=None, ema=None, share=Share())


def teach_pairs(folder, settings, *, paired=True, hooks=None):
    """A student of pairs whose label 1 turns the sign of the noise."""
    learned = draw_noise(SEEDS, 8)
    bank = Bank([torch.stack([learned, -learned], dim=1)], SEEDS, (0, 1))
    torch.manual_seed(0)
    batches = student_batches(bank, [HALVES], batch=16, seed=0, purpose="x", is_paired=paired)
    optim = settings.optim
    return teach(Denoiser(SMALL), batches, optim, folder, 0, settings=settings, hooks=hooks)


def students_of(steps, **fields):
    optim = Optim(steps=steps, batch=16, lr=3e-3, warmup=10, decay="cosine", ema=0.9)
    return Student(optim=optim, **fields)


def test_squares_are_turned_like_tiles():
    square = np.random.default_rng(0).integers(0, 9, (5, 5, 3)).astype(np.uint8)
    tensors = torch.from_numpy(square).permute(2, 0, 1).expand(8, -1, -1, -1)
    for version, found in enumerate(turn_each(tensors, range(8))):
        expected = torch.from_numpy(transform(square, version).copy()).permute(2, 0, 1)
        torch.testing.assert_close(found, expected)


def test_latents_are_fused_from_the_bundle_of_the_very_noise():
    """What made the bank's latents, applied to the batch's noise, gives the batch's latents."""
    batch = student_batches(made_bank(6), [HALVES], batch=32, seed=0, purpose="x")(2)
    noise = batch["noise"]
    bundles = torch.stack([noise, -noise, noise.abs() - 0.8, noise.flip(1)], dim=1)
    torch.testing.assert_close(batch["latents"], fuse(bundles, batch["masks"]))
    assert len({tuple(mask.flatten().tolist()) for mask in shrink_masks(batch["masks"], 8)}) > 12


def test_masks_have_several_labels_evenly_and_symmetries_are_even():
    batches = student_batches(made_bank(6), [UNIFORM, HALVES], batch=64, seed=0, purpose="x")
    masks = torch.cat([batches(i)["masks"] for i in range(20)])
    assert all(len(mask.unique()) == 2 for mask in masks)
    shares = torch.bincount(masks.flatten().long()) / masks.numel()
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.03, rtol=0)
    upright = (masks[:, :, 0] == masks[:, :, -1]).all(1).float().mean()
    assert upright == pytest.approx(0.5, abs=0.05)


def test_without_masks_of_several_labels_those_of_one_serve():
    batch = student_batches(made_bank(6), [UNIFORM], batch=8, seed=0, purpose="x")(0)
    assert all(len(mask.unique()) == 1 for mask in batch["masks"])


def test_a_batch_is_a_function_of_the_step_and_pairing_changes_the_noise_alone():
    make = [
        student_batches(made_bank(6), [HALVES], batch=8, seed=0, purpose="x", is_paired=paired)
        for paired in (True, True, False)
    ]
    one, again, unpaired = (batch_at(3) for batch_at in make)
    assert set(one) - set(unpaired) == {"noise"}
    for key, value in unpaired.items():
        assert torch.equal(one[key], value)
    assert all(torch.equal(one[key], again[key]) for key in one)


def test_time_steps_are_half_any_half_those_that_sampling_visits():
    generator = torch.Generator().manual_seed(0)
    t = draw_time_steps(40_000, KNOBS, generator)
    counts = torch.bincount(t, minlength=NUM_STEPS) / len(t)
    expected = torch.full((NUM_STEPS,), 0.5 / NUM_STEPS)
    for step, weight in zip(KNOBS.visited, KNOBS.visited_weights, strict=True):
        expected[step] += 0.5 * weight
    torch.testing.assert_close(
        counts[list(KNOBS.visited)], expected[list(KNOBS.visited)], atol=0.01, rtol=0
    )
    rest = np.delete(counts.numpy(), KNOBS.visited)
    assert rest.sum() == pytest.approx(0.5 * (1 - 4 / NUM_STEPS), abs=0.01)
    assert rest[:300].sum() == pytest.approx(rest[-300:].sum(), abs=0.02)
    never = draw_time_steps(500, replace(KNOBS, visited_fraction=0.0), generator)
    always = draw_time_steps(500, replace(KNOBS, visited_fraction=1.0), generator)
    assert len(never.unique()) > 300
    assert set(always.tolist()) == set(KNOBS.visited)


@pytest.mark.parametrize("zero_terminal", [False, True])
@torch.no_grad()
def test_the_loss_is_the_squared_error_of_the_velocity(zero_terminal):
    torch.manual_seed(0)
    denoiser = Denoiser(replace(SMALL, zero_terminal_snr=zero_terminal)).eval()
    batch = student_batches(made_bank(6), [HALVES], batch=16, seed=0, purpose="x")(0)
    found = student_step(KNOBS)(state_of(denoiser), batch, torch.Generator().manual_seed(5))
    t = draw_time_steps(16, KNOBS, torch.Generator().manual_seed(5))
    assert {999} < set(t.tolist())
    level = alpha_bar(zero_terminal)[t][:, None, None, None].double()
    z_0, z_T = batch["latents"].double(), batch["noise"].double()
    # sampling starts from noise alone, and its way has one noise
    last = alpha_bar(zero_terminal)[999].double()
    eps = (z_T - last.sqrt() * z_0) / (1 - last).sqrt()
    z_t = (level.sqrt() * z_0 + (1 - level).sqrt() * eps).float()
    torch.testing.assert_close(z_t[t == 999], z_T[t == 999].float())
    condition = denoiser.encode(batch["masks"], batch["slides"])
    inputs = torch.cat([z_t, condition.planes], dim=1)
    v = denoiser.unet(inputs, t, condition.tokens, return_dict=False)[0]
    expected = (v - (level.sqrt() * eps - (1 - level).sqrt() * z_0)).square().mean()
    assert float(found["loss"]) == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize(
    ("paired", "steps", "least", "most"),
    [
        (True, 40, 0, 0.9),
        pytest.param(True, 80, 0, 0.75, marks=pytest.mark.slow),
        pytest.param(False, 80, 0.9, 9, marks=pytest.mark.slow),
    ],
)
def test_one_evaluation_is_enough_for_the_pairs_and_for_them_alone(
    tmp_path, paired, steps, least, most
):
    """Unseen noise: the variance of the latent that is left unexplained. Label 1 turns its sign."""
    masks = torch.from_numpy(np.stack([HALVES, 1 - HALVES]).repeat(16, 0))
    noise = draw_noise(list(range(32)), 8)
    expected = fuse(torch.stack([noise, -noise], dim=1), masks)
    trained = teach_pairs(tmp_path, students_of(steps), paired=paired)
    found = denoise(trained, noise, masks, Sample(solver=KNOBS.solver))
    left = float((found - expected).square().mean() / expected.var())
    assert least < left < most


@torch.no_grad()
def test_its_evaluation_gives_the_latents_that_it_predicts():
    """DDIM would leave in them the noise of time step 0."""
    torch.manual_seed(0)
    denoiser, noise = Denoiser(SMALL).eval(), draw_noise([1, 2], 8)
    masks, t = torch.from_numpy(np.stack([HALVES, UNIFORM])), torch.full((2,), NUM_STEPS - 1)
    condition = denoiser.encode(masks, None)
    inputs = torch.cat([noise, condition.planes], dim=1)
    v = denoiser.unet(inputs, t, condition.tokens, return_dict=False)[0]
    level = alpha_bar()[NUM_STEPS - 1]
    expected = level.sqrt() * noise - (1 - level).sqrt() * v
    found = denoise(denoiser, noise, masks, Sample(solver=KNOBS.solver))
    torch.testing.assert_close(found, expected.float(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"evaluations": 3}, "not a divisor of 1000"),
        ({"evaluations": 0}, "not a divisor of 1000"),
        ({"visited": (1000, 0), "visited_weights": (1, 1)}, "time steps in 0..999"),
        ({"visited": ()}, "at least one"),
        ({"visited": (999,)}, "one a step"),
        ({"visited_weights": (0, 0, 0, 0)}, "one a step"),
        ({"visited_fraction": 1.5}, r"in \[0, 1\]"),
        ({"discriminator_weight": -0.1}, "discriminator_weight must be >= 0"),
        ({"discriminator_start": 1.5}, r"discriminator_start must be in \[0, 1\]"),
    ],
)
def test_students_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Student(**fields)


@pytest.mark.parametrize("paired", [True, False])
@torch.no_grad()
def test_two_shares_of_a_batch_have_its_loss(paired):
    torch.manual_seed(0)
    state, step = state_of(Denoiser(SMALL).eval()), student_step(KNOBS)
    batches = student_batches(
        made_bank(6), [HALVES], batch=8, seed=0, purpose="x", is_paired=paired
    )
    whole = batches(0)

    def loss(share):
        part = {key: share.take(value) for key, value in whole.items()}
        found = step(replace(state, share=share), part, torch.Generator().manual_seed(5))
        return float(found["loss"])

    halves = [loss(Share(rank, 2)) for rank in range(2)]
    assert np.mean(halves) == pytest.approx(loss(Share()), rel=1e-5)
    assert halves[0] != pytest.approx(halves[1], rel=1e-3)


def test_without_weight_or_before_its_start_a_discriminator_changes_nothing(tmp_path):
    # gradients are far below the limit, which would join the two networks
    weights = {}
    for name, weight, start in (("none", 0.0, 0.0), ("never", 0.3, 1.0), ("from", 0.3, 0.0)):
        settings = students_of(6, discriminator_weight=weight, discriminator_start=start)
        settings = replace(settings, optim=replace(settings.optim, clip=1e6))
        trained = teach_pairs(tmp_path / name, settings)
        weights[name] = trained.unet.conv_out.weight.detach()
    torch.testing.assert_close(weights["never"], weights["none"], atol=1e-5, rtol=0)
    assert not torch.allclose(weights["from"], weights["none"], atol=1e-4)


def test_what_looks_at_a_student_in_training_sees_a_denoiser(tmp_path):
    seen = []

    def hook(network, step):
        seen.append((type(network), step))
        return {}

    trained = teach_pairs(tmp_path, students_of(2), hooks=Hooks(hooks=[hook]))
    assert seen == [(Denoiser, 2)]
    assert isinstance(trained, Denoiser)


def test_pieces_of_a_batch_pull_as_the_whole_does():
    """But for spectral normalisation, which a discriminator in training does once a call."""
    torch.manual_seed(0)
    settings = students_of(4, discriminator_weight=0.3, discriminator_start=0.0)
    contest, step = Contest(Denoiser(SMALL), settings), student_step(settings)
    state = State(model=contest, network=contest, optimizer=None, ema=None, share=Share())
    contest.discriminator.eval()
    batch = student_batches(made_bank(6), [HALVES], batch=8, seed=0, purpose="x")(0)

    def gradients(shares):
        contest.zero_grad()
        for share in shares:
            part = {key: share.take(value) for key, value in batch.items()}
            found = step(replace(state, share=share), part, torch.Generator().manual_seed(5))
            (found["loss"] / share.count).backward()
        return [parameter.grad.clone() for parameter in contest.parameters()]

    whole, halves = gradients([Share()]), gradients([Share(0, 2), Share(1, 2)])
    for one, other in zip(whole, halves, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_its_losses_are_in_float32_whatever_products_are_taken_in():
    torch.manual_seed(0)
    contest = Contest(Denoiser(SMALL), students_of(4, discriminator_weight=0.3))
    batch = student_batches(made_bank(6), [HALVES], batch=8, seed=0, purpose="x")(0)
    state = State(model=contest, network=contest, optimizer=None, ema=None, share=Share())
    with torch.autocast("cpu", torch.bfloat16):
        found = student_step(KNOBS)(state, batch, torch.Generator())
    assert {value.dtype for value in found.values()} == {torch.float32}
