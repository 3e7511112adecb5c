import dataclasses
import json

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.training_utils import compute_snr

from disc.files import BadInput
from disc.model.denoiser import Denoiser
from disc.model.schedule import alpha_bar
from disc.model.tokens import grid_positions, one_hot
from disc.sample.solver import denoise
from disc.settings.denoiser import Denoiser as DenoiserSettings
from disc.settings.sampling import Sample, Solver

SMALL = DenoiserSettings(channels=(16, 32), attention=(False, True), head_channels=16, context=16)


def inputs(num=2):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(num, 3, 8, 8, generator=generator)
    masks = torch.randint(0, 4, (num, 32, 32), generator=generator, dtype=torch.uint8)
    return z, torch.tensor([5] * num), masks


def test_velocity_and_noise_are_two_names_of_one_prediction():
    """U-Nets that predict v and eps agree if their outputs follow from each other."""
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


@pytest.mark.parametrize("predicts", ["eps", "v"])
def test_min_snr_weights_are_those_of_diffusers_examples(predicts):
    """As in examples/text_to_image: weights of the loss of what the U-Net predicts."""
    t, gamma = torch.tensor([0, 3, 250, 600, 999]), 5.0
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.0015, "beta_end": 0.0195}
    snr = compute_snr(DDPMScheduler(**betas), t)
    capped = torch.stack([snr, gamma * torch.ones_like(t)], dim=1).min(dim=1)[0]
    expected = capped / snr if predicts == "eps" else capped / (snr + 1)
    settings = dataclasses.replace(SMALL, predicts=predicts, min_snr_gamma=gamma)
    weights = Denoiser(settings).weigh_losses(t).flatten()
    if predicts == "v":  # ours are of errors of eps, which are sqrt(alpha_bar) times those of v
        weights = weights * alpha_bar()[t]
    torch.testing.assert_close(weights, expected, atol=1e-6, rtol=1e-3)
    assert (expected < 1).any()


def test_a_huge_gamma_leaves_the_noise_loss_as_it_is():
    settings = dataclasses.replace(SMALL, predicts="eps", min_snr_gamma=1e9)
    weights = Denoiser(settings).weigh_losses(torch.arange(1000))
    torch.testing.assert_close(weights, torch.ones_like(weights))


ZERO = dataclasses.replace(SMALL, zero_terminal_snr=True)
TRAILING = Sample(solver=Solver(name="ddim", steps=4, spacing="trailing"))


def test_with_zero_terminal_snr_the_velocity_is_the_target_and_the_prediction():
    torch.manual_seed(0)
    denoiser, (z, _, masks) = Denoiser(ZERO).eval(), inputs()
    t, eps = torch.tensor([999, 300]), torch.randn_like(z)
    level = alpha_bar(True)[t][:, None, None, None]
    target = level.sqrt() * eps - (1 - level).sqrt() * z
    torch.testing.assert_close(denoiser.target(z, eps, t), target)
    assert denoiser.weigh_losses(t).flatten().tolist() == [1, 1]
    with torch.no_grad():
        tokens, planes = denoiser.encode(masks)
        prediction = denoiser.unet(torch.cat([z, planes], 1), t, tokens).sample
        assert torch.equal(denoiser(z, t, masks), prediction)


@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m"])
def test_with_zero_terminal_snr_sampling_starts_at_the_last_step_and_stays_finite(name):
    """A network that always predicts v = -0.5 implies, at pure noise, a latent of 0.5."""
    denoiser, (z, _, masks) = Denoiser(ZERO).eval(), inputs()
    seen = []
    denoiser.predict = lambda z, t, condition: seen.append(int(t[0])) or torch.full_like(z, -0.5)
    once = Sample(solver=Solver(name=name, steps=1, spacing="trailing"))
    latents = denoise(denoiser, z, masks, once)
    assert seen == [999]
    # ddim ends at the first level, where 0.04 of the noise is left
    torch.testing.assert_close(latents, torch.full_like(z, 0.5), atol=0.2, rtol=0)
    assert torch.equal(denoise(denoiser, z, masks, once), latents)


def test_a_denoiser_is_never_sampled_with_another_schedule(tmp_path):
    Denoiser(ZERO).save(tmp_path)
    assert json.loads((tmp_path / "denoiser.json").read_text())["zero_terminal_snr"] is True
    with pytest.raises(BadInput, match="zero_terminal_snr is True; expected False"):
        Denoiser.load(tmp_path, SMALL)
    with pytest.raises(BadInput, match="needs trailing"):
        leading = Sample(solver=Solver(spacing="leading"))
        z, _, masks = inputs()
        denoise(Denoiser.load(tmp_path, ZERO), z, masks, leading)


def test_another_schedule_is_refused_and_so_is_a_folder_without_one(tmp_path):
    Denoiser(SMALL).save(tmp_path)
    with pytest.raises(BadInput, match="zero_terminal_snr is False; expected True"):
        Denoiser.load(tmp_path, ZERO)
    (tmp_path / "denoiser.json").write_text('{"predicts": "v", "condition": "hybrid"}')
    with pytest.raises(BadInput, match="zero_terminal_snr is None; expected False"):
        Denoiser.load(tmp_path, SMALL)


def test_attention_is_fused():
    attention = [m for m in Denoiser(SMALL).unet.modules() if isinstance(m, Attention)]
    assert len(attention) > 4
    assert all(type(m.processor) is AttnProcessor2_0 for m in attention)


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
    other = DenoiserSettings(
        channels=(32, 64), attention=(False, True), head_channels=16, context=16
    )
    with pytest.raises(BadInput, match=r"diffusion_pytorch_model.*expected"):
        Denoiser.load(tmp_path, other)


def test_unknown_pixels_are_a_class_of_their_own():
    planes = one_hot(torch.tensor([[[0, 3, 255]]], dtype=torch.uint8))
    assert planes[0, :, 0].argmax(0).tolist() == [0, 3, 4]


def test_positions_differ_everywhere():
    grid = grid_positions(4, 5, 32)
    assert len(torch.unique(grid, dim=0)) == 20
