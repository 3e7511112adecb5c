"""Weights on disk: safetensors, and folders that diffusers itself can load."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from disc.files import MAX_WEIGHTS, BadInput, digest, open_file, read_bytes, reason, write_bytes
from disc.records.listing import check_listed
from disc.records.seal import check_seal, seal

REMEDY = "delete it; the same command makes it again"
DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"
MAX_NUMBERS = 2**20
MAX_HEADER = 2**24
"""Bytes of a safetensors header; that of a whole latent diffusion model has some 200,000."""


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
    # of eight bits, torch has no such test
    numbers = (
        (name, value.float() if value.element_size() == 1 else value)
        for name, value in tensors.items()
        if value.is_floating_point()
    )
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
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such weights file")
    data = read_bytes(path, MAX_WEIGHTS)
    check_listed(path, data)
    check_seal(path, data, REMEDY)
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise BadInput(f"{path}: damaged weights file ({reason(error)}); {REMEDY}") from error


def map_tensors(path: Path) -> Any:
    """A safetensors file, mapped into memory: its header is read, tensors where they are touched.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if there is no room for it.
        ValueError: if it is no file, too large, or its header is.
        OSError, SafetensorError: if it is damaged.
    """
    with open_file(path, MAX_WEIGHTS) as file:
        header = int.from_bytes(file.read(8), "little")
    if header > MAX_HEADER:
        raise ValueError(f"a header of {header:,} bytes; expected at most {MAX_HEADER:,}")
    try:
        return safe_open(path, "pt")
    except RuntimeError as error:  # of torch, whose map of the file this is
        raise BadInput(
            f"{path}: no room for it in memory ({reason(error)}); free some, or raise ulimit"
        ) from error


def open_tensors(path: Path) -> Any:
    """The same of weights.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such weights file")
    try:
        return map_tensors(path)
    except BadInput:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path}: damaged weights file ({reason(error)}); {REMEDY}") from error


def read_numbers(file: Any, name: str) -> list[Any]:
    """A small tensor of what `map_tensors` gave, as a list.

    Raises:
        ValueError: if it is not small.
    """
    num = math.prod(file.get_slice(name).get_shape())
    if num > MAX_NUMBERS:
        raise ValueError(f"'{name}' has {num:,} values; expected at most {MAX_NUMBERS:,}")
    found: list[Any] = file.get_tensor(name).tolist()
    return found


def read_shapes(file: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors in what `map_tensors` gave, from its header alone."""
    names = file.keys()
    return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def load_weights(path: Path, module: nn.Module) -> None:
    """Load what `save_weights` wrote into a module of the same shape.

    Raises:
        FileNotFoundError: if the file is missing.
        BadInput: if it is damaged, holds another network's weights, or any that are not finite.
    """
    expected = module.state_dict()
    check_size(path, module)
    found = read_tensors(path)
    _check_shapes(path, {name: tuple(value.shape) for name, value in found.items()}, expected)
    for name, value in found.items():
        if value.is_floating_point() != expected[name].is_floating_point() or value.is_complex():
            raise BadInput(f"{path}: '{name}' is {value.dtype}, expected {expected[name].dtype}")
    if bad := find_not_finite(found):
        raise BadInput(f"{path}: '{bad}' holds values that are not finite; train it again")
    module.load_state_dict(found)


def check_size(path: Path, module: nn.Module) -> None:
    """Refuse a file that is far too large to be read: its header says what else it holds.

    Raises:
        BadInput: if it holds more than the weights of a module.
    """
    expected = module.state_dict()
    most = MAX_HEADER + sum(8 * value.numel() for value in expected.values())
    if path.is_file() and path.stat().st_size > most:
        _check_shapes(path, read_shapes(open_tensors(path)), expected)


def _check_shapes(
    path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, torch.Tensor]
) -> None:
    for name in sorted(expected.keys() ^ found.keys()):
        place = "missing from the file" if name in expected else "unknown to the network"
        raise BadInput(f"{path}: weights of another network ('{name}' is {place})")
    for name, shape in found.items():
        if shape != tuple(expected[name].shape):
            raise BadInput(
                f"{path}: weights of another network ('{name}' is {shape}, expected "
                f"{tuple(expected[name].shape)}); use the configuration that they were trained with"
            )


def save_folder(folder: Path, model: Any) -> None:
    """Write a diffusers model as `from_pretrained` of diffusers expects it."""
    save_weights(folder / DIFFUSERS_WEIGHTS, model)
    write_bytes(folder / "config.json", model.to_json_string().encode())


def hash_weights(module: nn.Module) -> str:
    """A short hash of all weights: the identity of a checkpoint."""
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    return digest(safetensors.torch.save(state))
