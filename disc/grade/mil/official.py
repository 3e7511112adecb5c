"""Weights of the official TransMIL, in the modes that run as its code does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from disc.files import BadInput
from disc.grade.mil.nystrom import Mode, NystromTransMIL
from disc.model.foreign import read_checkpoint
from disc.settings.grading import TransMIL as Settings

PREFIX = "model."
"""Of every name in a checkpoint of its Lightning trainer."""
HEADS = 8
_NAMES = (
    (r"_fc1\.0\.", "enter.0."),
    (r"cls_token$", "slide_token"),
    (r"layer1\.", "first."),
    (r"layer2\.", "second."),
    (r"pos_layer\.proj\.", "positions.filters.0."),
    (r"pos_layer\.proj1\.", "positions.filters.1."),
    (r"pos_layer\.proj2\.", "positions.filters.2."),
    (r"_fc2\.", "head."),
    (r"attn\.to_qkv\.", "split."),
    (r"attn\.to_out\.0\.", "join.0."),
    (r"attn\.res_conv\.", "near."),
)
"""The official code's names, and ours."""


def read_official(path: Path, mode: Mode) -> NystromTransMIL:
    """The network of an official state dict or checkpoint; features are not standardised.

    Args:
        path: .safetensors, or a pickle of weights, which is read in a process of its own.
        mode: how the attention pads.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged, holds code, or is of another network.
    """
    found = {name.removeprefix(PREFIX): value for name, value in read_checkpoint(path).items()}
    try:
        width, num_features = found["_fc1.0.weight"].shape
        outputs = len(found["_fc2.bias"])
    except (KeyError, ValueError) as error:
        raise BadInput(f"{path}: not the weights of an official TransMIL ({error})") from error
    settings = replace(Settings(), width=width, heads=HEADS)
    net = NystromTransMIL(settings, num_features, mode, outputs)
    state = {_new_name(name): value for name, value in found.items()}
    _check(path, state, net.state_dict())
    net.load_state_dict({**net.state_dict(), **state})
    return net.eval()


def _new_name(name: str) -> str:
    for pattern, new in _NAMES:
        name = re.sub(rf"(^|\.){pattern}", rf"\g<1>{new}", name)
    return name


def _check(path: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Refuse weights with other names or shapes than the network's."""
    wanted = {name for name in expected if name not in ("mean", "std")}
    for name in sorted(wanted ^ found.keys()):
        place = "missing from the file" if name in wanted else "unknown to TransMIL"
        raise BadInput(f"{path}: '{name}' is {place}; expected an official TransMIL")
    for name, value in found.items():
        if value.shape != expected[name].shape:
            shape, wish = tuple(value.shape), tuple(expected[name].shape)
            raise BadInput(f"{path}: '{name}' is {shape}, expected {wish}")
