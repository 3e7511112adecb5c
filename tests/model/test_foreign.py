import json
import os
import re
import sys
import types
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
from diffusers import AutoencoderKL, VQModel

from disc.files import BadInput
from disc.model import foreign, unpickle
from disc.model.autoencoder import Autoencoder, to_unit
from disc.model.compvis import compvis_name
from disc.model.foreign import read_foreign
from tests.model.compvis_reference import as_checkpoint, draw_network
from tests.model.small_vq import build_small_vq


@pytest.fixture
def tiles():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))


@pytest.fixture
def here(monkeypatch):
    """Pickles are converted in this process: another one takes seconds to load PyTorch.

    That it is another one, and what that one keeps from happening, is tested without this.
    """

    def run(script, **_):
        try:
            unpickle.main(*script[3:])
        except Exception as error:
            return SimpleNamespace(returncode=3, stderr=unpickle.explain(error))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(unpickle, "_limit", lambda size: None)
    monkeypatch.setattr(foreign, "subprocess", SimpleNamespace(run=run, DEVNULL=None))


def save(path, network, prefix="", **more):
    torch.save({**as_checkpoint(network, prefix), **more}, path)
    return path


@torch.no_grad()
def check_equal(autoencoder, network, tiles):
    images = to_unit(tiles)
    latents = network.encode(images)
    torch.testing.assert_close(autoencoder.vq.encode(images).latents, latents, atol=1e-4, rtol=0)
    # of the same latents: rounding may not tip one from one code to the next
    decoded = autoencoder.vq.decode(latents).sample
    torch.testing.assert_close(decoded, network.decode(latents), atol=1e-4, rtol=0)
    torch.testing.assert_close(autoencoder.codes(latents), network.quantise(latents)[1])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("has_attention", [True, False])
def test_a_checkpoint_reconstructs_as_the_original(tmp_path, tiles, has_attention):
    network = draw_network(has_attention=has_attention, layers=2)
    autoencoder = read_foreign(save(tmp_path / "model.ckpt", network))
    check_equal(autoencoder, network, tiles)
    assert autoencoder.scale == 1.0
    assert autoencoder.vq.config.mid_block_add_attention == has_attention


@pytest.mark.slow
def test_vq_f4_at_its_full_size(tmp_path, tiles):
    network = draw_network(widths=(128, 256, 512), layers=2, num_codes=8192)
    state = as_checkpoint(network)["state_dict"]
    assert sum(name.startswith(("encoder.", "decoder.")) for name in state) == 200
    assert sum(value.numel() for value in network.parameters()) == pytest.approx(55.3e6, rel=0.01)
    autoencoder = read_foreign(save(tmp_path / "model.ckpt", network))
    check_equal(autoencoder, network, tiles[:1])
    autoencoder.save(tmp_path / "vq-f4")
    check_equal(Autoencoder.load(tmp_path / "vq-f4"), network, tiles[:1])


def test_names_map_one_to_one():
    network = draw_network(layers=2)
    vq = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 64),
        layers_per_block=2,
        vq_embed_dim=3,
    )
    mapped = [compvis_name(name) for name in vq.state_dict()]
    assert sorted(mapped) == sorted(network.state_dict())
    assert len(set(mapped)) == len(mapped)


@pytest.mark.usefixtures("here")
def test_the_first_stage_of_a_whole_model(tmp_path, tiles):
    network = draw_network()
    checkpoint = as_checkpoint(network, "first_stage_model.")
    checkpoint["state_dict"]["model.diffusion_model.out.2.weight"] = torch.zeros(3, 3)
    checkpoint["state_dict"]["scale_factor"] = torch.tensor(1.0)
    torch.save(checkpoint, tmp_path / "ldm.ckpt")
    check_equal(read_foreign(tmp_path / "ldm.ckpt"), network, tiles)


def test_safetensors_and_half_precision(tmp_path, tiles):
    network = draw_network()
    state = {name: value.half() for name, value in as_checkpoint(network)["state_dict"].items()}
    safetensors.torch.save_file(state, tmp_path / "vq.safetensors")
    network.load_state_dict({k: v for k, v in state.items() if not k.startswith("loss.")})
    check_equal(read_foreign(tmp_path / "vq.safetensors"), network, tiles)


@pytest.mark.usefixtures("here")
def test_diffusers_loads_what_was_imported_and_gives_the_same(tmp_path, tiles):
    autoencoder = read_foreign(save(tmp_path / "model.ckpt", draw_network()))
    autoencoder.save(tmp_path / "vq")
    theirs, images = VQModel.from_pretrained(tmp_path / "vq"), to_unit(tiles)
    with torch.no_grad():
        latents = theirs.encode(images).latents
        torch.testing.assert_close(autoencoder.encode(tiles), latents, atol=1e-5, rtol=0)
        ours, decoded = autoencoder.vq.decode(latents).sample, theirs.decode(latents).sample
    torch.testing.assert_close(ours, decoded, atol=1e-5, rtol=0)
    assert theirs.config.scaling_factor == 1.0


def write_folder(folder, **more):
    vq = build_small_vq((32, 32, 64), **more)
    vq.save_pretrained(folder)
    return vq.eval()


def test_a_diffusers_folder_is_read_and_its_scale_is_not(tmp_path, tiles):
    theirs = write_folder(tmp_path)
    assert theirs.config.scaling_factor == 0.18215
    autoencoder = read_foreign(tmp_path)
    assert autoencoder.scale == 1.0
    with torch.no_grad():
        latents = theirs.encode(to_unit(tiles)).latents
    torch.testing.assert_close(autoencoder.encode(tiles), latents, atol=1e-5, rtol=0)


@pytest.mark.usefixtures("here")
def test_a_folder_of_old_names_in_a_pickle(tmp_path, tiles):
    theirs = write_folder(tmp_path)
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = theirs.state_dict()
    for new, name in old.items():
        state = {
            key.replace(f"attentions.0.{new}", f"attentions.0.{name}"): state[key] for key in state
        }
    torch.save(state, tmp_path / "diffusion_pytorch_model.bin")
    path.unlink()
    with torch.no_grad():
        latents = theirs.encode(to_unit(tiles)).latents
    torch.testing.assert_close(read_foreign(tmp_path).encode(tiles), latents, atol=1e-5, rtol=0)


def refusal(path):
    with pytest.raises((BadInput, FileNotFoundError)) as caught:
        read_foreign(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_an_autoencoder_kl_is_refused(tmp_path):
    AutoencoderKL(block_out_channels=(32,), norm_num_groups=8).save_pretrained(tmp_path / "kl")
    assert "AutoencoderKL (it has no codebook)" in refusal(tmp_path / "kl")


def damage(name, value):
    def change(state):
        if value is None:
            del state[name]
        else:
            state[name] = value

    return change


DAMAGES = {
    "missing": (
        damage("decoder.mid.attn_1.k.bias", None),
        "1 of .* missing, first 'decoder.mid.at",
    ),
    "surplus": (
        damage("decoder.up.1.attn.0.q.bias", torch.ones(3)),
        "'decoder.up.1.attn.0.q.bias'",
    ),
    "shape": (
        damage("quant_conv.bias", torch.ones(4)),
        r"'quant_conv.bias' is \(4,\), expected \(3,",
    ),
    "matrix": (
        damage("encoder.mid.attn_1.q.weight", torch.ones(64, 64)),
        r"expected \(64, 64, 1, 1",
    ),
    "scalar": (
        damage("encoder.conv_in.weight", torch.ones(())),
        r"'encoder.conv_in.weight' has sh",
    ),
    "codes": (damage("quantize.embedding.weight", torch.ones(64, 4)), "codes of 4; expected"),
    "no codes": (damage("quantize.embedding.weight", None), "without a codebook"),
    "f = 8": (damage("encoder.down.3.block.0.conv1.weight", torch.ones(1)), "f = 8; expected"),
    "widths": (
        damage("encoder.down.0.block.0.conv1.weight", torch.ones(20, 32, 3, 3)),
        "multiples",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_no_vq_f4_is_refused_by_name(tmp_path, kind):
    change, expected = DAMAGES[kind]
    state = dict(draw_network().state_dict())
    change(state)
    path = tmp_path / "vq.safetensors"
    safetensors.torch.save_file(state, path)
    assert re.search(expected, refusal(path))


class Planted:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_nothing_of_a_malicious_pickle_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    trace = tmp_path / "ran"
    path = save(tmp_path / "model.ckpt", draw_network(), planted=Planted(trace))
    assert "system, which is code" in refusal(path)
    assert not trace.exists()


class ModelCheckpoint:
    """Stands in for Lightning's, whose class is a key in its checkpoints."""


@pytest.mark.usefixtures("here")
def test_lightnings_callbacks_are_ignored(tmp_path, tiles, monkeypatch):
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    module.ModelCheckpoint = ModelCheckpoint
    monkeypatch.setattr(ModelCheckpoint, "__module__", module.__name__)
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    network = draw_network()
    state = {ModelCheckpoint: {"monitor": "val/rec_loss", "best_model_score": torch.tensor(0.4)}}
    path = save(tmp_path / "model.ckpt", network, callbacks=state)
    check_equal(read_foreign(path), network, tiles)


@pytest.mark.usefixtures("here")
def test_other_files_are_refused_in_one_line(tmp_path):
    refusal(tmp_path / "nowhere.ckpt")
    text = tmp_path / "text.ckpt"
    text.write_text("not a checkpoint")
    assert "not readable as a checkpoint" in refusal(text)
    cut = save(tmp_path / "cut.ckpt", draw_network())
    cut.write_bytes(cut.read_bytes()[:-500])
    refusal(cut)
    listed = tmp_path / "list.ckpt"
    torch.save([torch.ones(3)], listed)
    assert "holds a list" in refusal(listed)
    huge = tmp_path / "huge.ckpt"
    torch.save({"encoder.conv_in.weight": torch.zeros(1).expand(10**9)}, huge)
    assert "claim more" in refusal(huge)
    archive = tmp_path / "vq-f4.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("model.ckpt", b"")
    assert "unpack it" in refusal(archive)


def test_a_config_that_builds_nothing_is_refused(tmp_path):
    write_folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "norm_num_groups": "many"}))
    refusal(tmp_path)
