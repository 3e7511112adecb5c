"""The sampler's door: variants and plans, precision, layout, and what waits for what."""

import dataclasses

import numpy as np
import pytest
import torch

from disc.files import BadInput
from disc.model.autoencoder import Autoencoder, build_vq
from disc.model.denoiser import Denoiser
from disc.sample import network
from disc.sample.plans import Plan, plan_of
from disc.sample.sampler import Sampler, decode_chunk
from disc.sample.solver import draw_noise
from disc.sample.trajectory import Order, follow_plan
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.settings.sampling import Sample, Solver
from tests.sample.small_denoiser import SMALL, build_small_denoiser

SAMPLE = Sample(solver=Solver(steps=3, spacing="logsnr"))
SEEDS = [5, 6, 7]


@pytest.fixture(scope="module")
def sampler():
    torch.manual_seed(0)
    vq = build_vq(AutoencoderSettings(channels=(16, 16, 16), num_codes=64))
    denoisers = {"sd": Denoiser(SMALL).eval(), "sd-disc": Denoiser(SMALL).eval()}
    return Sampler(Autoencoder(vq).eval(), denoisers, SAMPLE)


@pytest.fixture(scope="module")
def masks():
    masks = np.zeros((3, 32, 32), np.uint8)
    masks[1, :, 16:] = 1
    masks[2, 8:] = 3
    return masks


def with_sample(sampler, **changes):
    return dataclasses.replace(sampler, settings=dataclasses.replace(SAMPLE, **changes))


def test_variants_start_from_one_noise_and_plans_are_those_of_the_settings(sampler, masks):
    plain = sampler.draw_latents("sd", masks, SEEDS)
    end = sampler.draw_latents("sd-sc", masks, SEEDS)
    torch.testing.assert_close(end[0], plain[0], atol=1e-4, rtol=1e-4)
    assert (end[1] - plain[1]).abs().max() > 1e-3
    other = sampler.draw_latents("sd-disc", masks, SEEDS)
    assert (other[0] - plain[0]).abs().max() > 1e-3
    step = with_sample(sampler, plan="step").draw_latents("sd-sc", masks, SEEDS)
    given = sampler.draw_latents("sd-sc", masks, SEEDS, plan=Plan.parse("step"))
    assert torch.equal(step, given)
    assert (step - end).abs().max() > 1e-3


def test_only_separated_conditions_have_a_plan():
    assert plan_of("sd", "step").name == plan_of("collage", "step").name == "plain"
    assert plan_of("sd-sc", "switch@0.75").value == 0.75
    with pytest.raises(BadInput, match="expected end, switch"):
        plan_of("sd", "mix")


def test_tiles_are_decoded_the_same_in_any_chunks(sampler, masks, monkeypatch):
    tiles = sampler.generate("sd-sc", masks, SEEDS)
    assert tiles.shape == (3, 32, 32, 3)
    assert tiles.dtype == np.uint8
    monkeypatch.setattr("disc.sample.sampler.DECODE_PIXELS", 32**2)
    assert decode_chunk(32) == 1
    assert decode_chunk(512, free_bytes=80 * 2**30) == 40  # a GiB each, in half of the memory
    assert decode_chunk(512, free_bytes=2**20) == 1
    again = sampler.generate("sd-sc", masks, SEEDS)
    assert (np.abs(again.astype(int) - tiles) > 1).mean() < 0.001


def test_channels_last_changes_nothing(sampler, masks):
    reference = sampler.draw_latents("sd-sc", masks, SEEDS)
    try:
        found = with_sample(sampler, channels_last=True).draw_latents("sd-sc", masks, SEEDS)
    finally:
        sampler.denoisers["sd"].unet.to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(found, reference, atol=1e-4, rtol=1e-4)


def test_in_bfloat16_solver_and_quantiser_stay_in_float32(sampler, masks, monkeypatch):
    """Products alone are coarse: what solvers and the codebook see is float32."""
    seen, products = [], []
    schedule = type(sampler.denoisers["sd"].schedule)
    make = schedule.make_scheduler

    def watched(self, *arguments):
        scheduler = make(self, *arguments)
        step = scheduler.step

        def look(output, t, z, **more):
            seen.append((output.dtype, z.dtype))
            return step(output, t, z, **more)

        scheduler.step = look
        return scheduler

    monkeypatch.setattr(schedule, "make_scheduler", watched)
    conv = sampler.denoisers["sd"].unet.conv_out
    hook = conv.register_forward_hook(lambda m, i, out: products.append(out.dtype))
    coarse = with_sample(sampler, precision="bfloat16")
    found = coarse.draw_latents("sd-sc", masks, SEEDS)
    hook.remove()
    assert set(seen) == {(torch.float32, torch.float32)}
    assert set(products) == {torch.bfloat16}
    reference = sampler.draw_latents("sd-sc", masks, SEEDS)
    assert 0 < (found - reference).abs().mean() < 0.05 * reference.std()
    codes = sampler.autoencoder.codes(reference)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(sampler.autoencoder.codes(reference), codes)
    tiles, exact = coarse.decode(reference).astype(int), sampler.decode(reference)
    assert np.abs(tiles - exact).mean() < 2


def test_compiled_networks_see_one_shape(sampler, masks, monkeypatch):
    """On a CPU nothing is compiled; that batches are filled up can be seen without it."""
    sizes = []
    original, start = Denoiser.predict, network.Network.__init__

    def predict(self, z, t, condition):
        sizes.append(len(z))
        return original(self, z, t, condition)

    def begin(self, *arguments):
        start(self, *arguments)
        self._has_one_shape = True

    monkeypatch.setattr(Denoiser, "predict", predict)
    reference = sampler.draw_latents("sd-sc", masks, SEEDS)
    assert set(sizes) == {5}
    sizes.clear()
    monkeypatch.setattr(network.Network, "__init__", begin)
    found = with_sample(sampler, batch=4).draw_latents("sd-sc", masks, SEEDS)
    assert set(sizes) == {4}
    torch.testing.assert_close(found, reference, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m"])
@pytest.mark.parametrize("plan", ["end", "switch@0.5", "step", "guide@2", "plain"])
def test_no_step_waits_for_the_device(name, plan, masks, monkeypatch):
    """What makes a host wait is reading a value of a tensor; a step reads none of a latent's."""
    denoiser = build_small_denoiser()
    solver = Solver(name=name, steps=4, spacing="logsnr")
    order = Order(draw_noise(SEEDS, 8), torch.from_numpy(masks))
    read = []
    for method in ("item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__float__"):
        original = getattr(torch.Tensor, method)

        def watched(self, *arguments, _original=original, **more):
            # a solver's own levels and time steps never leave the CPU; latents have four axes
            if self.dim() >= 3:
                read.append(_original.__name__)
            return _original(self, *arguments, **more)

        monkeypatch.setattr(torch.Tensor, method, watched)
    start = network.Network.predict

    def predict(self, *arguments):
        read.clear()  # what is read before the first evaluation does not count
        monkeypatch.setattr(network.Network, "predict", start)
        return start(self, *arguments)

    monkeypatch.setattr(network.Network, "predict", predict)
    follow_plan(denoiser, order, Plan.parse(plan), Sample(solver=solver))
    assert read == ["cpu"]  # the finished tiles


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("plan", ["end", "switch@0.5", "step", "guide@2", "heal@500"])
def test_no_step_waits_for_a_gpu(plan, masks, monkeypatch):
    """PyTorch's own watch over waiting, from the second evaluation to the last."""
    denoiser = Denoiser(SMALL).eval().cuda()
    sample = Sample(solver=Solver(steps=6, spacing="logsnr"), precision="bfloat16")
    start, asked = network.Network.predict, []

    def predict(self, *arguments):
        asked.append(1)
        if len(asked) == 2:
            torch.cuda.set_sync_debug_mode("error")
        if len(asked) == 5:
            torch.cuda.set_sync_debug_mode("default")
        return start(self, *arguments)

    monkeypatch.setattr(network.Network, "predict", predict)
    order = Order(draw_noise(SEEDS, 8), torch.from_numpy(masks), seeds=SEEDS)
    try:
        follow_plan(denoiser, order, Plan.parse(plan), sample)
    finally:
        torch.cuda.set_sync_debug_mode("default")
