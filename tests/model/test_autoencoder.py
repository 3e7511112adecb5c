import json

import numpy as np
import pytest
import torch
from diffusers import VQModel
from safetensors.torch import save

from disc.data.pixels.images import encode_jpeg
from disc.files import BadInput
from disc.model import autoencoder as models
from disc.model.autoencoder import Autoencoder, build_vq, to_pixels, to_unit
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings

TINY = AutoencoderSettings(channels=(16, 16, 16), num_codes=32)


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    return Autoencoder(build_vq(TINY)).eval()


def test_a_tile_is_four_times_as_wide_as_its_latent(autoencoder):
    tiles = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    latents = autoencoder.encode(tiles)
    assert latents.shape == (2, 3, 16, 16)
    assert autoencoder.decode(latents).shape == (2, 64, 64, 3)


def test_pixels_survive_the_change_of_range():
    tiles = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    np.testing.assert_array_equal(to_pixels(to_unit(torch.from_numpy(tiles))), tiles)


def test_the_scale_is_stored_with_the_model_and_read_by_diffusers(autoencoder, tmp_path):
    tiles = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    before = autoencoder.encode(tiles)
    autoencoder.set_scale(2.5)
    torch.testing.assert_close(autoencoder.encode(tiles), before / 2.5)
    autoencoder.save(tmp_path)
    assert Autoencoder.load(tmp_path).scale == pytest.approx(2.5)
    assert VQModel.from_pretrained(tmp_path).config.scaling_factor == pytest.approx(0.4)


def test_scaling_does_not_change_what_is_decoded(autoencoder):
    tiles = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    before = autoencoder.decode(autoencoder.encode(tiles))
    autoencoder.set_scale(3.0)
    after = autoencoder.decode(autoencoder.encode(tiles))
    np.testing.assert_allclose(after.astype(int), before.astype(int), atol=1)


def test_what_is_no_vq_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    with pytest.raises(BadInput, match="AutoencoderKL"):
        Autoencoder.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="VQModel folder"):
        Autoencoder.load(tmp_path / "nowhere")


def test_a_truncated_weights_file_is_refused_by_name(autoencoder, tmp_path):
    autoencoder.save(tmp_path)
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadInput, match=str(path)):
        Autoencoder.load(tmp_path)


def test_centring_moves_latents_but_not_what_is_decoded(autoencoder):
    tiles = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    autoencoder.set_scale(2.0)
    latents, before = autoencoder.encode(tiles), autoencoder.decode(autoencoder.encode(tiles))
    mean = latents.mean((0, 2, 3))
    autoencoder.centre(mean)
    moved = latents - mean[:, None, None]
    torch.testing.assert_close(autoencoder.encode(tiles), moved, atol=1e-5, rtol=1e-4)
    after = autoencoder.decode(autoencoder.encode(tiles))
    np.testing.assert_allclose(after.astype(int), before.astype(int), atol=1)


def test_a_configuration_that_diffusers_cannot_build_is_one_line(autoencoder, tmp_path):
    autoencoder.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "act_fn": "loud"}))
    with pytest.raises(BadInput, match=r"config\.json: no VQModel can be built of it"):
        Autoencoder.load(tmp_path)


@pytest.mark.parametrize("num", [1, 2])
def test_pixels_of_any_number_of_tiles_can_be_written(num):
    planes = torch.linspace(-1, 1, num * 3 * 8 * 8).reshape(num, 3, 8, 8)
    tiles = to_pixels(planes)
    assert tiles.flags.c_contiguous
    assert all(encode_jpeg(tile) for tile in tiles)


def test_many_large_tiles_are_encoded_a_few_at_a_time(autoencoder, monkeypatch):
    """A tensor of all of them would take gigabytes at 512 px."""
    tiles, sizes, plain = (
        torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8),
        [],
        Autoencoder.encode,
    )
    monkeypatch.setattr(models, "PIXELS", 2 * 32 * 32)
    monkeypatch.setattr(
        Autoencoder, "encode", lambda self, some: sizes.append(len(some)) or plain(self, some)
    )
    together = autoencoder.encode_all(tiles)
    assert sizes == [2, 2, 1]
    torch.testing.assert_close(together, plain(autoencoder, tiles), atol=1e-5, rtol=0)


def test_weights_of_eight_bits_are_read_as_what_they_are(tmp_path):
    trained = build_vq(AutoencoderSettings())
    Autoencoder(trained).save(tmp_path)
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    state = {name: value.contiguous() for name, value in trained.state_dict().items()}
    name = "decoder.conv_in.bias"
    state[name] = torch.full_like(state[name], 0.5).to(torch.float8_e4m3fn)
    path.write_bytes(save(state))
    loaded = Autoencoder.load(tmp_path).vq.state_dict()[name]
    assert loaded.dtype == torch.float32 and (loaded == 0.5).all()
    state[name][0] = float("nan")
    path.write_bytes(save(state))
    with pytest.raises(BadInput, match="not finite"):
        Autoencoder.load(tmp_path)
