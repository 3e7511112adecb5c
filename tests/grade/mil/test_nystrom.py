from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from disc.files import BadInput
from disc.grade.mil.nystrom import NystromAttention, NystromTransMIL, pseudo_inverse
from disc.grade.mil.official import read_official
from disc.grade.transmil import Attention
from disc.settings.grading import TransMIL as Settings
from tests.grade.mil.official_transmil import draw_official, official_attention, official_logits
from tests.model.test_foreign import here

__all__ = ["here"]
MODES = ("nystrom", "nystrom-0.0.9")
SIZES = (1, 5, 16, 40, 100)


def official(tmp_path: Path, mode: str, width: int = 64, **changes: torch.Tensor):
    """An official state dict, and our network that loaded it, in double precision."""
    weights = {**draw_official(width, 10), **changes}
    save_file({k: v.float() for k, v in weights.items()}, tmp_path / "official.safetensors")
    rounded = {k: v.float().double() for k, v in weights.items()}
    return rounded, read_official(tmp_path / "official.safetensors", mode).double()


def bag_of(size: int) -> torch.Tensor:
    return torch.randn(size, 10, generator=torch.Generator().manual_seed(size)).double()


@pytest.mark.parametrize("mode", MODES)
def test_official_weights_give_the_official_outputs(tmp_path: Path, mode: str) -> None:
    weights, net = official(tmp_path, mode)
    for size in SIZES:
        bag = bag_of(size)
        ours = net(bag[None], torch.ones(1, size, dtype=torch.bool))[0]
        theirs = official_logits(weights, bag, pinned=mode == "nystrom-0.0.9")
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_the_pinned_version_gives_every_token_of_a_small_bag_one_row(tmp_path: Path) -> None:
    """At the official width: 256 landmarks, a bag of 37."""
    tokens = torch.randn(37, 512, generator=torch.Generator().manual_seed(1)).double()
    for mode, is_one_row in (("nystrom-0.0.9", True), ("nystrom", False)):
        weights, net = official(tmp_path, mode, width=512)
        change = net.first.change(tokens)
        expected = official_attention(weights, "layer1", tokens, pinned=is_one_row)
        torch.testing.assert_close(change, expected, rtol=0, atol=1e-9)
        spread = change.std(0).max()
        assert (spread < 1e-9) if is_one_row else (spread > 1e-2)


def test_rows_of_the_pinned_version_are_those_of_the_present_one_moved(tmp_path: Path) -> None:
    _, present = official(tmp_path, "nystrom")
    _, pinned = official(tmp_path, "nystrom-0.0.9")
    tokens = torch.randn(37, 64, generator=torch.Generator().manual_seed(2)).double()
    moved = 64 - 37  # two landmarks' worth of 32, less the tokens
    torch.testing.assert_close(
        pinned.first.change(tokens)[moved:], present.first.change(tokens)[: 37 - moved]
    )


def test_with_a_landmark_a_token_and_no_convolution_it_is_exact_attention() -> None:
    settings = Settings(width=32, heads=2, dropout=0.0)
    torch.manual_seed(0)
    exact, nystrom = Attention(settings).double(), NystromAttention(settings, "nystrom").double()
    # like queries and keys, and large: the inverse of its kernel is reached within six steps
    exact.split.weight.data[32:64] = exact.split.weight.data[:32].mul_(4)
    state = {k: v for k, v in nystrom.state_dict().items() if k.startswith("near")}
    nystrom.load_state_dict({**exact.state_dict(), **{k: 0 * v for k, v in state.items()}})
    tokens = torch.randn(16, 32).double()
    expected = exact(tokens[None], torch.ones(1, 16, dtype=torch.bool))[0]
    torch.testing.assert_close(nystrom(tokens), expected, rtol=0, atol=1e-10)
    looks = exact.look(tokens[None], torch.ones(1, 16, dtype=torch.bool))[0]
    torch.testing.assert_close(nystrom.look(tokens), looks, rtol=0, atol=1e-10)


def test_the_pseudo_inverse_is_one() -> None:
    matrix = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0)).double().softmax(-1)
    found = pseudo_inverse(matrix + torch.eye(8))
    np.testing.assert_allclose(found, torch.linalg.pinv(matrix + torch.eye(8)), atol=1e-6)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights = {k: v.float() for k, v in draw_official(16, 10).items()}
    path = tmp_path / "w.safetensors"
    for change, words in (
        ({"layer1.attn.res_conv.weight": None}, "'first.near.weight' is missing"),
        ({"layer3.norm.weight": torch.ones(16)}, "unknown to TransMIL"),
        ({"norm.weight": torch.ones(8)}, "expected"),
        ({"_fc1.0.weight": None}, "not the weights of an official TransMIL"),
    ):
        state = {k: v for k, v in {**weights, **change}.items() if v is not None}
        save_file(state, path)
        with pytest.raises(BadInput, match=words):
            read_official(path, "nystrom")


@pytest.mark.usefixtures("here")
def test_a_checkpoint_of_the_official_trainer_is_read(tmp_path: Path) -> None:
    weights = {k: v.float() for k, v in draw_official(16, 10).items()}
    state = {f"model.{name}": value for name, value in weights.items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "last.ckpt")
    net = read_official(tmp_path / "last.ckpt", "nystrom-0.0.9")
    assert isinstance(net, NystromTransMIL)
    assert torch.equal(net.head.weight, weights["_fc2.weight"])
