from dataclasses import replace

import pytest
import torch

from disc.model.autoencoder import Autoencoder, to_unit
from disc.settings.autoencoder import DecoderTuning
from disc.settings.training import Optim
from disc.train.objectives.decoder import tune_decoder
from disc.train.objectives.texture import texture_loss
from tests.model.small_vq import build_small_vq

OPTIM = Optim(steps=6, batch=4, lr=2e-3, warmup=1, betas=(0.5, 0.9), checkpoint_every=3)
TUNING = DecoderTuning(channels=4, start=0.3, optim=OPTIM)


def build():
    torch.manual_seed(3)
    return build_small_vq(num_vq_embeddings=48)


def batch_at(step):
    generator = torch.Generator().manual_seed(step)
    return {"tiles": torch.randint(60, 256, (4, 32, 32, 3), generator=generator, dtype=torch.uint8)}


def weights(vq, part):
    return {name: value.clone() for name, value in vq.state_dict().items() if part in name}


def error(vq):
    images = to_unit(batch_at(99)["tiles"])
    with torch.no_grad():
        return float(texture_loss(vq.decode(vq.encode(images).latents).sample, images))


def test_only_the_decoder_moves(tmp_path):
    vq = build()
    before = weights(vq, "")
    tune_decoder(vq, TUNING, batch_at, tmp_path, 0)
    moved = {
        name for name, value in vq.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved
    assert {name.split(".")[0] for name in moved} == {"decoder", "post_quant_conv"}
    assert all(parameter.requires_grad for parameter in vq.parameters())


@pytest.mark.parametrize(
    ("weight", "steps", "left"),
    [
        (0.5, 20, 0.97),
        pytest.param(0.5, 40, 0.95, marks=pytest.mark.slow),
        pytest.param(0.0, 40, 0.9, marks=pytest.mark.slow),
    ],
)
def test_it_decodes_better_with_and_without_an_opponent(tmp_path, weight, steps, left):
    vq = build()
    start = error(vq)
    tuning = replace(TUNING, adversarial_weight=weight, optim=replace(OPTIM, steps=steps))
    tune_decoder(vq, tuning, batch_at, tmp_path, 0)
    assert error(vq) < left * start


def test_the_opponent_counts_only_from_its_start_on(tmp_path):
    decoders = {}
    for name, start, weight in (("never", 1.0, 0.5), ("none", 0.0, 0.0), ("from", 0.0, 0.5)):
        vq = build()
        tuning = replace(TUNING, start=start, adversarial_weight=weight)
        # gradients are far below the limit, which would join the two networks
        tuning = replace(tuning, optim=replace(OPTIM, clip=1e6))
        tune_decoder(vq, tuning, batch_at, tmp_path / name, 0)
        decoders[name] = weights(vq, "decoder.conv_out.weight")["decoder.conv_out.weight"]
    torch.testing.assert_close(decoders["never"], decoders["none"], atol=1e-6, rtol=0)
    assert not torch.allclose(decoders["from"], decoders["none"], atol=1e-4)


def test_a_split_batch_pulls_the_decoder_as_a_whole_one(tmp_path):
    decoders = []
    for pieces in (1, 2):
        vq = build()
        optim = replace(OPTIM, steps=2, speed=replace(OPTIM.speed, accumulate=pieces))
        # power iteration runs once a piece, so the discriminator is left out
        tuning = replace(TUNING, adversarial_weight=0.0, optim=optim)
        tune_decoder(vq, tuning, batch_at, tmp_path / str(pieces), 0)
        decoders.append(vq.decoder.conv_out.weight.detach())
    torch.testing.assert_close(*decoders, atol=1e-4, rtol=0)


def test_stopped_and_resumed_it_ends_in_the_same_weights(tmp_path, monkeypatch):
    whole = build()
    tune_decoder(whole, TUNING, batch_at, tmp_path / "whole", 0)

    def failing(step):
        if step == 4:
            raise KeyboardInterrupt
        return batch_at(step)

    with pytest.raises(KeyboardInterrupt):
        tune_decoder(build(), TUNING, failing, tmp_path / "stopped", 0)
    resumed = build()
    tune_decoder(resumed, TUNING, batch_at, tmp_path / "stopped", 0)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_codes_and_latents_stay(tmp_path):
    vq = build()
    tiles = batch_at(5)["tiles"]
    before = Autoencoder(vq).encode(tiles)
    tune_decoder(vq, TUNING, batch_at, tmp_path, 0)
    assert torch.equal(Autoencoder(vq).encode(tiles), before)
