"""Weights on disk: safetensors, and folders that diffusers itself can load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from disc.files import BadInput, digest, reason, write_bytes
from disc.records.listing import check_listed
from disc.records.seal import check_seal, seal

REMEDY = "delete it; the same command makes it again"
DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"


def save_weights(path: Path, module: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    """Write a module's state as safetensors, whole or not at all.

    Args:
        path: the file.
        module: a network in float32.
        dtype: how its weights are stored; whole numbers stay what they are.

    Raises:
        BadInput: if a weight is too large for the type.
        FloatingPointError: if one is NaN or infinite.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    if dtype != torch.float32:
        state = {name: _cast(value, dtype, f"{path}: '{name}'") for name, value in state.items()}
    if name := find_not_finite(state):
        raise FloatingPointError(
            f"{path}: not written: '{name}' is not finite; lower the learning rate"
        )
    write_bytes(path, seal(safetensors.torch.save(state, metadata={"format": "pt"})))


def find_not_finite(tensors: Mapping[str, torch.Tensor]) -> str:
    """The name of the first tensor that holds NaN or an infinite value; "": none."""
    numbers = ((name, value) for name, value in tensors.items() if value.is_floating_point())
    return next((name for name, value in numbers if not bool(value.isfinite().all())), "")


def _cast(value: torch.Tensor, dtype: torch.dtype, name: str) -> torch.Tensor:
    if not value.is_floating_point():
        return value
    stored = value.to(dtype)
    if not bool(stored.isfinite().all()):
        raise BadInput(f"{name} holds values that {dtype} does not; store it as float32")
    return stored


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file, on the CPU.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged, or not what was written.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights file")
    data = path.read_bytes()
    check_listed(path, data)
    check_seal(path, data, REMEDY)
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise BadInput(f"{path}: damaged weights file ({reason(error)}); {REMEDY}") from error


def load_weights(path: Path, module: nn.Module) -> None:
    """Load what `save_weights` wrote into a module of the same shape.

    Raises:
        FileNotFoundError: if the file is missing.
        BadInput: if it is damaged, holds another network's weights, or any that are not finite.
    """
    found = read_tensors(path)
    expected = module.state_dict()
    for name in sorted(expected.keys() ^ found.keys()):
        place = "missing from the file" if name in expected else "unknown to the network"
        raise BadInput(f"{path}: weights of another network ('{name}' is {place})")
    for name, value in found.items():
        if value.shape != expected[name].shape:
            raise BadInput(
                f"{path}: weights of another network ('{name}' is {tuple(value.shape)}, expected "
                f"{tuple(expected[name].shape)}); use the configuration that they were trained with"
            )
        if value.is_floating_point() != expected[name].is_floating_point() or value.is_complex():
            raise BadInput(f"{path}: '{name}' is {value.dtype}, expected {expected[name].dtype}")
    if bad := find_not_finite(found):
        raise BadInput(f"{path}: '{bad}' holds values that are not finite; train it again")
    module.load_state_dict(found)


def save_folder(folder: Path, model: Any) -> None:
    """Write a diffusers model as `from_pretrained` of diffusers expects it."""
    save_weights(folder / DIFFUSERS_WEIGHTS, model)
    write_bytes(folder / "config.json", model.to_json_string().encode())


def hash_weights(module: nn.Module) -> str:
    """A short hash of all weights: the identity of a checkpoint."""
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    return digest(safetensors.torch.save(state))
