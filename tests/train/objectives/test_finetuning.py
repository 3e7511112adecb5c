import json
from dataclasses import replace

import pytest
import torch

from disc.model.autoencoder import Autoencoder, to_unit
from disc.processes import Share
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.settings.training import Optim, Speed
from disc.train.objectives.autoencoder import crop, measure_codebook, train_autoencoder
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
    trained = train_autoencoder(settings_of(source, steps=16), batch_at, tmp_path / "run", 0)
    after = (decoded(trained) - to_unit(batch_at(99)["tiles"])).abs().mean()
    assert after < 0.95 * before, (after, before)
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert lines[0]["commit"] > 0
    assert all(0 < line["codes_used"] <= 1 for line in lines)
    use = measure_codebook(trained, batch_at, 16)
    assert (use.num_codes, use.num_latents) == (48, 16 * 4 * 8 * 8)
    assert 0 < use.fraction <= 1 <= use.perplexity <= 48


def test_from_random_weights_latents_are_quantised_later(tmp_path, monkeypatch):
    monkeypatch.setattr("disc.train.log.EVERY", 1)
    settings = AutoencoderSettings(channels=(16, 16, 16), num_codes=32, optim=OPTIM)
    train_autoencoder(settings, batch_at, tmp_path, 0)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["codes_used"] > 0 for line in lines] == [False, False, True, True]


def test_the_average_of_codes_begins_where_they_are_initialised(tmp_path):
    """Nothing moves at a rate of 0: the codes in the end are latents, and not what they were."""
    optim = replace(OPTIM, lr=0.0, ema=0.999)
    settings = AutoencoderSettings(channels=(16, 16, 16), num_codes=32, optim=optim)
    trained = train_autoencoder(settings, batch_at, tmp_path, 0)
    latents = trained.encode(batch_at(2)["tiles"]) * trained.scale  # the step that quantises
    codes = trained.vq.quantize.embedding.weight.detach()
    apart = torch.cdist(codes, latents.movedim(1, -1).reshape(-1, 3)).amin(1)
    assert apart.max() < 1e-3


def test_in_bfloat16_and_in_pieces_the_codebook_is_initialised_once(tmp_path):
    """Codes are compared in float32, and initialised from the latents of the first piece."""
    speed = Speed(accumulate=2)
    optim = replace(OPTIM, steps=2, precision="bfloat16", speed=speed)
    settings = AutoencoderSettings(channels=(16, 16, 16), num_codes=32, optim=optim)
    trained = train_autoencoder(settings, batch_at, tmp_path / "one", 0)
    use = measure_codebook(trained, batch_at, 4)
    assert use.num_codes == 32
    assert use.perplexity > 1
    again = train_autoencoder(settings, batch_at, tmp_path / "two", 0)
    assert torch.equal(decoded(trained), decoded(again))


TRAINING = AutoencoderSettings(channels=(16, 16, 32), num_codes=24, optim=OPTIM)


def test_codes_that_are_fitted_after_training_are_centres_of_latents(tmp_path):
    settings = replace(TRAINING, quantise_from=1.0)
    trained = train_autoencoder(settings, batch_at, tmp_path / "run", 0)
    latents = trained.encode(torch.cat([batch_at(4 + i)["tiles"] for i in range(16)]))
    vectors = latents.movedim(1, -1).reshape(-1, 3) * trained.scale
    codes = trained.vq.quantize.embedding.weight.detach()
    apart = torch.cdist(vectors, codes).amin(1).square().mean()
    assert apart < 0.25 * vectors.var(dim=0).sum(), (apart, vectors.var(dim=0).sum())
    assert measure_codebook(trained, batch_at, 4).fraction > 0.8


def test_more_codes_than_latents_are_refused(tmp_path):
    settings = replace(TRAINING, quantise_from=1.0, num_codes=5000)
    with pytest.raises(ValueError, match=r"num_codes 5000: more than the 4096 latents"):
        train_autoencoder(settings, batch_at, tmp_path / "run", 0)


def test_crops_are_parts_of_their_tiles_and_the_same_in_every_split():
    tiles, seen = batch_at(0)["tiles"], []
    for share in (Share(), Share(0, 2), Share(1, 2)):
        generator = torch.Generator().manual_seed(7)
        seen.append(crop(share.take(tiles), 8, share, generator))
    assert seen[0].shape == (4, 8, 8, 3)
    assert torch.equal(seen[0], torch.cat(seen[1:]))
    windows = tiles.unfold(1, 8, 1).unfold(2, 8, 1).movedim(3, -1)
    for window, part in zip(windows, seen[0], strict=True):
        assert bool((window == part).flatten(2).all(-1).any())


def test_crops_larger_than_tiles_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"crop_px 64: larger than tiles of 32 px"):
        train_autoencoder(replace(TRAINING, crop_px=64), batch_at, tmp_path / "run", 0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return train_autoencoder(TRAINING, batch_at, tmp_path_factory.mktemp("plain"), 0)


@pytest.mark.parametrize(
    "more",
    [{"loss": "texture"}, {"crop_px": 16}, {"latent_noise": 0.5}, {"latent_penalty": 0.1}],
)
def test_each_setting_changes_what_is_learned(more, plain, tmp_path):
    other = train_autoencoder(replace(TRAINING, **more), batch_at, tmp_path / "other", 0)
    pair = [a.vq.decoder.conv_in.weight.detach() for a in (plain, other)]
    assert not torch.allclose(*pair, atol=1e-5)
