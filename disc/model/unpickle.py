"""Read a foreign pickle in a process of its own, and write its tensors as safetensors.

`disc.model.foreign` starts it as a script, `python -I unpickle.py SOURCE TARGET`, and nothing else
does. It loads nothing of ours, limits itself, and reads with `weights_only=True` or not at all.
"""

from __future__ import annotations

import os
import re
import sys
import zipfile
from collections.abc import Iterable
from typing import Any

FIRST_STAGE = "first_stage_model."
MEMORY = 2**34
"""Bytes of address space beyond the checkpoint's own; most is reserved by loading torch."""
SECONDS = 600
"""Of processor time."""
OLDEST_TORCH = (2, 10)
"""In older ones, `weights_only=True` could be bypassed."""
CALLBACKS = ("model_checkpoint.ModelCheckpoint", "early_stopping.EarlyStopping")
LIGHTNING = ("pytorch_lightning.callbacks", "lightning.pytorch.callbacks")


class Inert:
    """Stands in for Lightning's callbacks, whose classes are keys in its checkpoints."""


def first_stage(names: Iterable[str]) -> dict[str, str]:
    """The autoencoder's tensors among a checkpoint's, by name there, with their names in it alone.

    Its loss, LPIPS and a discriminator, is left out.
    """
    listed = list(names)
    inner = [name for name in listed if name.startswith(FIRST_STAGE)]
    own = {name: name.removeprefix(FIRST_STAGE) for name in inner or listed}
    return {name: short for name, short in own.items() if not short.startswith("loss.")}


def main(source: str, target: str) -> None:
    """Convert one checkpoint.

    Raises:
        ValueError: if it holds anything but named tensors; others, as PyTorch raises them.
    """
    size = os.path.getsize(source)
    _limit(size)
    import safetensors.torch
    import torch

    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST_TORCH:
        raise ValueError(
            f"PyTorch {torch.__version__} reads pickles unsafely; install 2.10 or newer"
        )
    inert: list[Any] = [(Inert, f"{room}.{name}") for room in LIGHTNING for name in CALLBACKS]
    with torch.serialization.safe_globals(inert):
        loaded = torch.load(
            source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source)
        )
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise ValueError(f"holds a {type(state).__name__}; expected a state_dict of named tensors")
    chosen = {short: state[name] for name, short in first_stage(state).items()}
    for name, value in chosen.items():
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            raise ValueError(f"'{name}' is a {type(value).__name__}; expected a dense tensor")
    # tensors that claim to be larger than the file are views that repeat it
    if sum(value.numel() * value.element_size() for value in chosen.values()) > size:
        raise ValueError(f"its tensors claim more than the file's {size:,} bytes")
    safetensors.torch.save_file({k: v.clone().contiguous() for k, v in chosen.items()}, target)


def _limit(size: int) -> None:
    """Memory, processor time, written and open files of this process; no core dumps."""
    import resource

    limits = {
        resource.RLIMIT_AS: MEMORY + 4 * size,
        resource.RLIMIT_CPU: SECONDS,
        resource.RLIMIT_FSIZE: 2 * size + 2**20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
    }
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))


def explain(error: BaseException) -> str:
    """An error in one line, without PyTorch's advice to load unsafely."""
    text = " ".join(str(error).split())
    found = re.search(r"GLOBAL (\S+)", text)
    if found:
        return f"holds {found[1]}, which is code and no weights; refused, and none of it was run"
    if isinstance(error, ValueError):
        return text
    text = text.split("WeightsUnpickler error: ")[-1].split(" Please")[0]
    return f"not readable as a checkpoint of weights ({type(error).__name__}: {text[:150]})"


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        print(explain(error), file=sys.stderr)
        sys.exit(3)
