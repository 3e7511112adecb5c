from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from disc.files import BadInput
from disc.grade.carcino import build_carcino
from disc.grade.public_carcino import PublicCarcinoNet, ResNet50, Shuffle, load_resnet50
from disc.settings.grading import CarcinoNet


def count(net: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def test_it_has_the_size_of_the_public_implementation() -> None:
    """Counted there: 336.4 M with the two convolutions a block that it never calls (24.9 M)."""
    with torch.device("meta"):
        net = build_carcino(CarcinoNet(architecture="public"))
    assert isinstance(net, PublicCarcinoNet)
    assert count(net.encoder) == 25_557_032 - (2048 * 1000 + 1000), "torchvision's without fc"
    assert count(net) == 311_466_436
    skipped = sum(9 * a * b + b for a, b in SKIPPED)
    assert round((count(net) + skipped) / 1e6, 1) == 336.4


SKIPPED = [(n, n) for n in (1024, 1024, 512, 512, 256, 256)] + [(128, 64), (64, 64)]


@pytest.mark.parametrize("classes", [3, 4])
def test_logits_have_the_shape_of_the_tiles(classes: int) -> None:
    with torch.device("meta"):
        net = PublicCarcinoNet(classes)
        assert net(torch.zeros(2, 3, 64, 96)).shape == (2, classes, 64, 96)


def test_it_loads_torchvisions_names_strictly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source, encoder = ResNet50(), ResNet50()
    head = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    state = {**source.state_dict(), **head}
    assert {"conv1.weight", "layer1.0.downsample.1.running_var", "layer4.2.bn3.bias"} <= {*state}
    save_file(state, tmp_path / "whole.safetensors")
    load_resnet50(tmp_path / "whole.safetensors", encoder)
    assert torch.equal(encoder.layer3[5].conv2.weight, source.layer3[5].conv2.weight)
    del state["layer2.0.conv1.weight"]
    save_file(state, tmp_path / "less.safetensors")
    with pytest.raises(BadInput, match=r"'layer2.0.conv1.weight' is missing"):
        load_resnet50(tmp_path / "less.safetensors", encoder)


def test_upsampling_starts_without_a_checkerboard() -> None:
    torch.manual_seed(0)
    image = Shuffle(3, 5)(torch.randn(1, 3, 4, 4))
    assert image.shape == (1, 5, 8, 8)
    blocks = image.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    assert torch.equal(blocks, blocks[..., :1].expand_as(blocks)) and blocks.std() > 0
