"""Public checkpoints of autoencoders: latent-diffusion's files and diffusers' folders, read safely.

A pickle is converted in a separate process (`disc.model.unpickle`), never opened in this one. Every
expected tensor must be there, with its shape, and no other.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from disc.files import MAX_WEIGHTS, BadInput, open_file
from disc.model import unpickle
from disc.model.autoencoder import Autoencoder, build_described, build_vq
from disc.model.compvis import Shape, compvis_name, compvis_shape, read_architecture
from disc.model.store import DIFFUSERS_WEIGHTS, open_tensors, read_tensors

OTHER_WEIGHTS = (
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.bin",
)
"""What a diffusers folder may have instead: half precision, or pickles."""
MAX_READ = 2**30
"""Bytes of a file that is read whole, and its seal checked; whole latent diffusion models are
larger, and no autoencoder of ours is."""
PATIENCE_S = 1200
"""Maximum seconds to read a pickle."""
_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names of the parts of attention in diffusers before 0.13."""

Tensors = Mapping[str, torch.Tensor]


def read_foreign(path: Path) -> Autoencoder:
    """An autoencoder from a public checkpoint or a folder; its scale is 1 until measured.

    Args:
        path: latent-diffusion's `model.ckpt` of an autoencoder or of a whole model, the same as
            .safetensors, or a diffusers VQModel folder.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged, holds code, or is no VQ autoencoder with f = 4, 3 channels.
    """
    vq = _read_folder(path) if path.is_dir() else _read_file(path)
    vq.register_to_config(scaling_factor=1.0)
    return Autoencoder(vq).eval()


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of the autoencoder in a checkpoint, by name, its loss left out.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged, or holds code.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint; correct its path")
    with open_file(path, MAX_WEIGHTS):
        pass
    if path.suffix != ".safetensors":
        return _unpickle(path)
    if path.stat().st_size <= MAX_READ:
        tensors = read_tensors(path)
        return {short: tensors[name] for name, short in unpickle.first_stage(tensors).items()}
    file = open_tensors(path)
    # Mapped: nothing is read before shapes are known to be those of an autoencoder.
    return {s: file.get_tensor(name) for name, s in unpickle.first_stage(file.keys()).items()}


def _read_file(path: Path) -> Any:
    found = read_checkpoint(path)
    settings = read_architecture(_shapes(found), path)
    with torch.device("meta"):
        vq = build_vq(settings)
    names = {name: compvis_name(name) for name in vq.state_dict()}
    expected = {
        there: compvis_shape(there, tuple(vq.state_dict()[name].shape))
        for name, there in names.items()
    }
    _check_all(path, _shapes(found), expected)
    _check_values(path, found)
    _fill(vq, {name: found[there] for name, there in names.items()})
    return vq


def _read_folder(folder: Path) -> Any:
    with torch.device("meta"):
        vq = build_described(folder)
    weights = folder / DIFFUSERS_WEIGHTS
    if not weights.is_file():
        others = (folder / name for name in OTHER_WEIGHTS)
        weights = next((path for path in others if path.is_file()), weights)
    tensors = read_checkpoint(weights)
    found = {_new_name(name): value for name, value in tensors.items()}
    _check_all(weights, _shapes(found), _shapes(vq.state_dict()))
    _check_values(weights, found)
    _fill(vq, found)
    return vq


def _new_name(name: str) -> str:
    found = re.match(r"(.*attentions\.0)\.(query|key|value|proj_attn)\.(.*)", name)
    return f"{found[1]}.{_OLD_NAMES[found[2]]}.{found[3]}" if found else name


def _unpickle(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a pickle, through a process with limited resources and an empty environment."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inner = [name for name in archive.namelist() if name.endswith((".ckpt", ".pth"))]
        if inner:
            raise BadInput(f"{path}: an archive; unpack it and give the {inner[0]} in it")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "tensors.safetensors"
        script = [sys.executable, "-I", unpickle.__file__, str(path.resolve()), str(target)]
        environment = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TMPDIR": folder}
        try:
            done = subprocess.run(
                script,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BadInput(f"{path}: not read within {PATIENCE_S} s; stopped reading") from error
        if done.returncode or not target.is_file():
            lines = done.stderr.strip().splitlines() or [f"its reader ended by {done.returncode}"]
            raise BadInput(f"{path}: {lines[-1]}")
        return read_tensors(target)


def _check_all(path: Path, found: Mapping[str, Shape], expected: Mapping[str, Shape]) -> None:
    missing = sorted(expected.keys() - found.keys())
    surplus = sorted(found.keys() - expected.keys())
    if missing:
        names = f"{len(missing)} of {len(expected)} tensors are missing, first '{missing[0]}'"
        raise BadInput(f"{path}: {names}; fetch the checkpoint again")
    if surplus:
        names = f"{len(surplus)} tensors that no vq-f4 of its shape has, first '{surplus[0]}'"
        raise BadInput(f"{path}: holds {names}; expected {len(expected)} tensors")
    for name in sorted(expected):
        if found[name] != expected[name]:
            raise BadInput(f"{path}: '{name}' is {found[name]}, expected {expected[name]}")


def _check_values(path: Path, found: Tensors) -> None:
    for name in sorted(found):
        value = found[name]
        if not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise BadInput(f"{path}: '{name}' is of {kind}; expected real numbers (float)")
        # Of 8-bit floats few operations are known.
        if not bool(value.float().isfinite().all()):
            raise BadInput(f"{path}: '{name}' holds NaN or infinity; fetch the checkpoint again")


def _fill(vq: Any, found: Tensors) -> None:
    shapes = {name: value.shape for name, value in vq.state_dict().items()}
    state = {name: value.float().reshape(shapes[name]).clone() for name, value in found.items()}
    vq.load_state_dict(state, assign=True)


def _shapes(tensors: Tensors) -> dict[str, Shape]:
    return {name: tuple(value.shape) for name, value in tensors.items()}
