"""Weight files of public encoders: found, fetched when asked for, and read strictly."""

from __future__ import annotations

import shutil
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from disc.files import BadInput, write_bytes
from disc.grade.encoders.network import EncoderNetwork, build_encoder
from disc.grade.encoders.table import FETCHED, PUBLIC, find_weights, require_weights, tell_terms
from disc.model.foreign import read_checkpoint

HUB = "https://huggingface.co/"
PATIENCE_S = 60


def get_weights(folder: Path, name: str, *, download: bool, say: Callable[[str], None]) -> Path:
    """The weight file of an encoder, fetched if it may be.

    Args:
        folder: where weight files lie, and are put.
        name: of the encoder.
        download: whether a missing file is fetched; its terms are said first.
        say: prints a line.

    Raises:
        BadInput: if it is missing and is not to be fetched, or cannot be.
    """
    path = find_weights(folder, name)
    if path is not None:
        return path
    encoder = PUBLIC[name]
    target = folder / f"{name}{Path(encoder.file).suffix}"
    if not download:
        return require_weights(folder, name, FETCHED)
    say(f"fetching under its terms: {tell_terms(name)}")
    try:
        data = _fetch(encoder.page, encoder.file)
    except Exception as error:  # Networks and gates fail in many ways.
        raise BadInput(
            f"{name}: not fetched ({type(error).__name__}: {str(error).splitlines()[0]}). Accept "
            f"the terms on {encoder.page}, then put the file there yourself: {target}"
        ) from error
    write_bytes(target, data)
    return target


def load_encoder(path: Path, name: str) -> EncoderNetwork:
    """An encoder with the weights of a file: every tensor there, and no other.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged, holds code, or is of another network.
    """
    network = build_encoder(name)
    tensors = read_checkpoint(path)
    _check(path, name, tensors, network.trunk.state_dict())
    network.trunk.load_state_dict(tensors)
    return network.eval()


def _check(
    path: Path,
    name: str,
    found: Mapping[str, torch.Tensor],
    expected: Mapping[str, torch.Tensor],
) -> None:
    for key in sorted(expected.keys() ^ found.keys()):
        place = "missing from the file" if key in expected else f"unknown to {name}"
        raise BadInput(f"{path}: '{key}' is {place}; expected the weights of {PUBLIC[name].page}")
    for key, value in found.items():
        if value.shape != expected[key].shape:
            shape, wish = tuple(value.shape), tuple(expected[key].shape)
            raise BadInput(f"{path}: '{key}' is {shape}, expected {wish}")
        if value.is_floating_point() and not bool(value.float().isfinite().all()):
            raise BadInput(f"{path}: '{key}' is not finite; fetch the file again")


def _fetch(page: str, file: str) -> bytes:
    """A file at an address, or of a page of the hub, where the user's own account opens gates."""
    if page.startswith(HUB):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(page.removeprefix(HUB), file)).read_bytes()
    with tempfile.TemporaryFile() as memory:
        with urllib.request.urlopen(file, timeout=PATIENCE_S) as answer:
            shutil.copyfileobj(answer, memory)
        memory.seek(0)
        return memory.read()
