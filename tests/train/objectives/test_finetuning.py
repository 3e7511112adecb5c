import json
from dataclasses import replace

import pytest
import torch

from disc.model.autoencoder import Autoencoder, to_unit
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.settings.training import Optim, Speed
from disc.train.objectives.autoencoder import measure_codebook, train_autoencoder
from tests.model.small_vq import build_small_vq

OPTIM = Optim(steps=4, batch=4, lr=1e-3, warmup=1, checkpoint_every=2)


@pytest.fixture
def source(tmp_path):
    """A folder as diffusers writes it, with its default scale."""
    torch.manual_seed(5)
    vq = build_small_vq((16, 16, 32), num_vq_embeddings=48)
    vq.save_pretrained(tmp_path / "source")
    return tmp_path / "source"


def batch_at(step):
    generator = torch.Generator().manual_seed(step)
    coarse = torch.randint(60, 256, (4, 4, 4, 3), generator=generator, dtype=torch.uint8)
    return {"tiles": coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)}


def decoded(autoencoder, quantised=True):
    with torch.no_grad():
        latents = autoencoder.vq.encode(to_unit(batch_at(99)["tiles"])).latents
        return autoencoder.vq.decode(latents, force_not_quantize=not quantised).sample


def settings_of(source, **optim):
    return AutoencoderSettings(source=source, finetune=True, optim=replace(OPTIM, **optim))


def test_it_starts_from_the_sources_weights_and_codebook(source, tmp_path):
    trained = train_autoencoder(settings_of(source, lr=0.0), batch_at, tmp_path / "run", 0)
    original = Autoencoder.load(source)
    assert trained.scale == 1.0
    torch.testing.assert_close(decoded(trained), decoded(original), atol=1e-5, rtol=0)
    codes = [a.vq.quantize.embedding.weight.detach() for a in (trained, original)]
    # all moved by one vector, with the latents
    shift = codes[0] - codes[1]
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), atol=1e-6, rtol=0)


def test_it_learns_with_the_codebook_from_the_first_step(source, tmp_path, monkeypatch):
    monkeypatch.setattr("disc.train.log.EVERY", 2)
    before = (decoded(Autoencoder.load(source)) - to_unit(batch_at(99)["tiles"])).abs().mean()
    trained = train_autoencoder(settings_of(source, steps=30), batch_at, tmp_path / "run", 0)
    after = (decoded(trained) - to_unit(batch_at(99)["tiles"])).abs().mean()
    assert after < 0.9 * before, (after, before)
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert lines[0]["commit"] > 0
    assert all(0 < line["codes_used"] <= 1 for line in lines)
    use = measure_codebook(trained, batch_at, 30)
    assert (use.num_codes, use.num_latents) == (48, 16 * 4 * 8 * 8)
    assert 0 < use.fraction <= 1 <= use.perplexity <= 48


def test_from_random_weights_latents_are_quantised_later(tmp_path, monkeypatch):
    monkeypatch.setattr("disc.train.log.EVERY", 1)
    settings = AutoencoderSettings(channels=(16, 16, 16), num_codes=32, optim=OPTIM)
    train_autoencoder(settings, batch_at, tmp_path, 0)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["codes_used"] > 0 for line in lines] == [False, False, True, True]


def test_in_bfloat16_and_in_pieces_the_codebook_is_initialised_once(tmp_path):
    """Codes are compared in float32, and initialised from the latents of the first piece."""
    speed = Speed(accumulate=2)
    optim = replace(OPTIM, precision="bfloat16", speed=speed)
    settings = AutoencoderSettings(channels=(16, 16, 16), num_codes=32, optim=optim)
    trained = train_autoencoder(settings, batch_at, tmp_path / "one", 0)
    use = measure_codebook(trained, batch_at, 4)
    assert use.num_codes == 32
    assert use.perplexity > 1
    again = train_autoencoder(settings, batch_at, tmp_path / "two", 0)
    assert torch.equal(decoded(trained), decoded(again))
