"""Weights on disk: safetensors, and folders that diffusers itself can load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from disc.files import BadInput, digest, write_bytes

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"


def save_weights(path: Path, module: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    """Write a module's state as safetensors, whole or not at all.

    Args:
        path: the file.
        module: a network in float32.
        dtype: how its weights are stored; whole numbers stay what they are.

    Raises:
        BadInput: if a weight is too large for the type.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    if dtype != torch.float32:
        state = {name: _cast(value, dtype, f"{path}: '{name}'") for name, value in state.items()}
    write_bytes(path, safetensors.torch.save(state, metadata={"format": "pt"}))


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
        BadInput: if it is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights file")
    try:
        return safetensors.torch.load(path.read_bytes())
    except SafetensorError as error:
        raise BadInput(
            f"{path}: damaged weights file ({error}); delete it; the same command makes it again"
        ) from error


def load_weights(path: Path, module: nn.Module) -> None:
    """Load what `save_weights` wrote into a module of the same shape.

    Raises:
        FileNotFoundError: if the file is missing.
        BadInput: if it is damaged, or holds another network's weights.
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
    module.load_state_dict(found)


def save_folder(folder: Path, model: Any) -> None:
    """Write a diffusers model as `from_pretrained` of diffusers expects it."""
    save_weights(folder / DIFFUSERS_WEIGHTS, model)
    write_bytes(folder / "config.json", model.to_json_string().encode())


def hash_weights(module: nn.Module) -> str:
    """A short hash of all weights: the identity of a checkpoint."""
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    return digest(safetensors.torch.save(state))
