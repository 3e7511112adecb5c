import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor
from diffusers.models.autoencoders.vae import VectorQuantizer

from disc.model import quantiser
from disc.model.autoencoder import build_vq
from disc.model.quantiser import Quantiser, measure_use
from disc.settings.autoencoder import Autoencoder


def both(latents, codes):
    """Results and gradients of diffusers' quantiser and of ours."""
    theirs = VectorQuantizer(len(codes), 3, beta=0.25)
    theirs.embedding.weight.data.copy_(codes)
    results = []
    for module in (theirs, Quantiser(theirs.embedding)):
        z = latents.clone().requires_grad_()
        theirs.embedding.weight.grad = None
        passed, loss, (_, _, indices) = module(z)
        (loss + (passed**2).mean()).backward()
        results.append((passed, loss, indices, z.grad, theirs.embedding.weight.grad))
    return results


@pytest.mark.parametrize("max_distances", [2**24, 1000, 1])
def test_in_chunks_it_equals_diffusers(monkeypatch, max_distances):
    monkeypatch.setattr(quantiser, "NUM_ON_CPU", max_distances)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, 3, 8, 12, generator=generator)
    codes = torch.randn(40, 3, generator=generator)
    for theirs, ours in zip(*both(latents, codes), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


def test_one_chunk_equals_diffusers_bit_for_bit():
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(8, 3, 16, 16, generator=generator)
    codes = torch.randn(1024, 3, generator=generator)
    for theirs, ours in zip(*both(latents, codes), strict=True):
        assert torch.equal(ours, theirs)


def test_fused_attention_equals_plain_attention():
    torch.manual_seed(0)
    vq = build_vq(Autoencoder(channels=(16, 16, 32), num_codes=32)).eval()
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        latents = vq.encode(images).latents
        fused = latents, vq.decode(latents).sample
        for module in vq.modules():
            if isinstance(module, Attention):
                module.set_processor(AttnProcessor())
        plain = vq.encode(images).latents, vq.decode(latents).sample
    torch.testing.assert_close(fused, plain, atol=1e-5, rtol=0)


def test_codebook_use():
    even = measure_use(np.array([5, 5, 5, 5, 0, 0, 0, 0]))
    assert (even.fraction, even.num_latents) == (0.5, 20)
    assert even.perplexity == pytest.approx(4)
    assert measure_use(np.array([0, 7, 0])).perplexity == pytest.approx(1)
    assert str(even) == "50.0 % of 8 codes used by 20 latents, perplexity 4"
