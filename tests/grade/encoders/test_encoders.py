import importlib.util
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from disc.files import BadInput
from disc.grade.encoders import weights
from disc.grade.encoders.frozen import FrozenEncoder
from disc.grade.encoders.network import build_encoder
from disc.grade.encoders.table import LUNIT, PUBLIC, find_weights, tell_terms
from disc.grade.encoders.weights import get_weights, load_encoder
from disc.settings.grading import EncoderName

has_timm = importlib.util.find_spec("timm") is not None


def tiles(count: int, side: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(count)]


def test_every_public_encoder_can_be_chosen() -> None:
    assert set(get_args(EncoderName)) == {"carcino", "files", *PUBLIC}


@pytest.mark.parametrize("name", PUBLIC)
def test_an_untrained_encoder_has_its_public_size(name: str, timm) -> None:
    encoder = PUBLIC[name]
    with torch.device("meta"):
        network = build_encoder(name).eval()
        features = network(torch.zeros(2, 3, 224, 224))
    assert features.shape == (2, encoder.width)
    assert sum(p.numel() for p in network.parameters()) == encoder.parameters


def test_the_truncated_resnet_is_that_of_timm(timm) -> None:
    torch.manual_seed(0)
    network = build_encoder("resnet50-imagenet").eval()
    other = timm.create_model("resnet50", features_only=True, out_indices=(3,), pretrained=False)
    names = other.state_dict().keys()
    other.load_state_dict({k: v for k, v in network.trunk.state_dict().items() if k in names})
    images = torch.rand(2, 3, 224, 224)
    mean, std = (torch.tensor(s)[:, None, None] for s in PUBLIC["resnet50-imagenet"].stats)
    with torch.no_grad():
        expected = other.eval()((images - mean) / std)[0].mean((2, 3))
        torch.testing.assert_close(network(images), expected)


def test_virchow_is_read_as_its_token_and_the_mean_of_patches(timm) -> None:
    class Tokens(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.arange(24.0).view(1, 8, 3)

    network = build_encoder("lunit-dino")
    network.encoder, network.trunk = PUBLIC["virchow2"], Tokens()
    read = network(torch.zeros(1, 3, 224, 224))
    assert read.tolist() == [[0, 1, 2, 18, 19, 20]]


def test_lunits_colours_are_their_own(timm) -> None:
    network = build_encoder("lunit-dino").eval()
    seen = {}
    network.trunk.register_forward_pre_hook(lambda _, inputs: seen.update(images=inputs[0]))
    images = torch.tensor(LUNIT[0])[:, None, None].expand(1, 3, 224, 224)
    with torch.no_grad():
        network(images + torch.tensor(LUNIT[1])[:, None, None])
    torch.testing.assert_close(seen["images"], torch.ones(1, 3, 224, 224))


@pytest.mark.parametrize("suffix", [".safetensors", ".torch"])
def test_a_local_file_is_loaded_strictly(tmp_path: Path, timm, suffix: str) -> None:
    torch.manual_seed(0)
    trunk = build_encoder("lunit-dino").trunk
    path = tmp_path / f"lunit-dino{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(trunk.state_dict(), path)
    assert find_weights(tmp_path, "lunit-dino") == path
    loaded = load_encoder(path, "lunit-dino").trunk.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in trunk.state_dict().items())
    state = trunk.state_dict()
    for change, words in (
        ({"norm.bias": None}, "'norm.bias' is missing"),
        ({"fc.weight": torch.ones(2)}, "'fc.weight' is unknown to lunit-dino"),
        ({"norm.bias": torch.ones(2)}, "expected"),
        ({"norm.bias": state["norm.bias"] * torch.nan}, "not finite"),
    ):
        save({k: v for k, v in {**state, **change}.items() if v is not None}, path)
        with pytest.raises(BadInput, match=words):
            load_encoder(path, "lunit-dino")


def test_a_tile_is_read_alike_among_any_others(timm) -> None:
    torch.manual_seed(0)
    encoder = FrozenEncoder(build_encoder("lunit-dino"))
    images = tiles(3)
    together = encoder.read("a", iter(images))
    alone = np.concatenate([encoder.read("b", iter([image])) for image in images[:2]])
    np.testing.assert_allclose(together[:2], alone, atol=1e-5)
    assert together.shape == (3, 384)
    assert together.dtype == np.float32
    assert encoder.read("c", iter([])).shape == (0, 384)


def test_missing_weights_are_told_with_their_terms(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"uni2-h.*NC-ND.*account and consent.*grade\.download"):
        get_weights(tmp_path, "uni2-h", download=False, say=print)


def test_terms_are_shown_before_a_file_is_fetched(tmp_path: Path, monkeypatch) -> None:
    told: list[str] = []

    def fetch(page: str, file: str) -> bytes:
        assert told == [f"fetching under its terms: {tell_terms('lunit-dino')}"]
        assert file.endswith("dino_vit_small_patch16_ep200.torch")
        return b"weights"

    monkeypatch.setattr(weights, "_fetch", fetch)
    path = get_weights(tmp_path, "lunit-dino", download=True, say=told.append)
    assert path == tmp_path / "lunit-dino.torch"
    assert path.read_bytes() == b"weights"
    get_weights(tmp_path, "lunit-dino", download=False, say=told.append)
    assert len(told) == 1


def test_a_closed_gate_is_one_line(tmp_path: Path, monkeypatch) -> None:
    def fetch(page: str, file: str) -> bytes:
        raise PermissionError("403: ask for access\nmore lines")

    monkeypatch.setattr(weights, "_fetch", fetch)
    with pytest.raises(BadInput, match=r"uni: not fetched.*403.*Accept the terms") as caught:
        get_weights(tmp_path, "uni", download=True, say=print)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(has_timm, reason="the extra is installed")
def test_without_the_extra_it_says_what_to_install() -> None:
    with pytest.raises(BadInput, match=r"needs .*; pip install timm torchvision"):
        build_encoder("uni")
