"""Read a foreign pickle in a process of its own, and write its tensors as safetensors.

`disc.model.foreign` starts it as a script, `python -I unpickle.py SOURCE TARGET`, and nothing else
does. It loads nothing of ours, limits itself, and reads with `weights_only=True` or not at all.
"""

from __future__ import annotations

import contextlib
import os
import pickletools
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

FIRST_STAGE = "first_stage_model."
MEMORY = 2**34
"""Bytes of address space beyond the checkpoint's own; most is reserved by loading torch."""
SECONDS = 600
"""Of processor time."""
OLDEST_TORCH = (2, 10)
"""In older ones, `weights_only=True` could be bypassed."""
HARMFUL = re.compile(
    r"(os|posix|nt|sys|subprocess|commands|shutil|socket|runpy|importlib|imp|pty|ctypes|code|"
    r"marshal|_?io|_?pickle|dill|cloudpickle|webbrowser|pip|torch(?!\.torch_version\.))\.[\w.]+|"
    r"(builtins|__builtin__)\.(?!(dict|list|tuple|set|frozenset|str|int|float|complex|bool|bytes|"
    r"bytearray|type|object|range|slice)$)[\w.]+"
)
"""Best known among what runs programs or reads files, and what makes tensors in ways that are not
known here: refused by name, so that somebody hears of it. Whatever else lies beside the weights is
stood in for. Nothing of either is loaded."""
HARMLESS = re.compile(
    r"torch\.(nn\.(modules\.\w+|functional|init)|_C\._nn|optim(\.\w+)?|distributions\.\w+|"
    r"return_types)\.\w+|torch\._C\.Generator"
)
"""Of PyTorch: losses, layers, optimisers and functions that settings name; none makes a weight."""
DICTIONARIES = re.compile(r"[\w.]+\.AttributeDict|easydict\.EasyDict|yacs\.config\.CfgNode")
"""Settings that are filled key by key, which PyTorch does for dictionaries alone."""
LISTS = re.compile(r"collections\.deque")
"""The same of lists."""
OLD_PICKLES = 4
"""Before the tensors of a checkpoint that is no zip; the last is the checkpoint itself."""
AVERAGES = "model_ema."


class Inert:
    """Stands in for what lies beside weights: callbacks, whose classes are keys, and settings."""

    def __new__(cls, *_: Any, **__: Any) -> Inert:
        """Take whatever the real class took, and make nothing of it."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """The same."""

    def __setstate__(self, state: object) -> None:
        """Forget what the real one would have been."""


def make_dictionary(*_: Any) -> OrderedDict[Any, Any]:
    """Stands in for a dictionary of another class, whose keys and values follow."""
    return OrderedDict()


def make_list(*_: Any) -> list[Any]:
    """The same for a list."""
    return []


def stand_in(name: str) -> Any:
    """What is put in place of a class or function, by its name; nothing of it is loaded."""
    if LISTS.fullmatch(name):
        return make_list
    if name == "collections.defaultdict":
        return make_dictionary
    return OrderedDict if DICTIONARIES.fullmatch(name) else Inert


def first_stage(names: Iterable[str]) -> dict[str, str]:
    """The autoencoder's tensors among a checkpoint's, by name there, with their names in it alone.

    Its loss, LPIPS and a discriminator, and running averages of it are left out.
    """
    listed = list(names)
    inner = [name for name in listed if name.startswith(FIRST_STAGE)]
    own = {name: name.removeprefix(FIRST_STAGE) for name in inner or listed}
    return {name: short for name, short in own.items() if not short.startswith(("loss.", AVERAGES))}


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
    if zipfile.is_zipfile(source):
        _check_records(source, size)
        found = set(torch.serialization.get_unsafe_globals_in_checkpoint(source))
    else:
        found = _list_globals(source)
    inert: list[Any] = [
        (stand_in(name), name)
        for name in sorted(found)
        if HARMLESS.fullmatch(name) or not HARMFUL.fullmatch(name)
    ]
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


def _list_globals(source: str) -> set[str]:
    """Classes and functions that a checkpoint of before zips names; nothing of it is run."""
    found = set[str]()
    with open(source, "rb") as file, contextlib.suppress(ValueError):
        for _ in range(OLD_PICKLES):
            named = (value for code, value, _ in pickletools.genops(file) if code.name == "GLOBAL")
            found |= {str(value).replace(" ", ".") for value in named}
    # as PyTorch does
    renamed = {re.sub(r"^__builtin__\.(?:x(?=range$))?", "builtins.", name) for name in found}
    return renamed - {"collections.OrderedDict", "collections.Counter"}


def _check_records(source: str, size: int) -> None:
    """Refuse a zip with a record that is not as its checksum says, which PyTorch reads as it is.

    Raises:
        ValueError: if there is one, or records unpack to far more than the file.
    """
    with zipfile.ZipFile(source) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > 4 * size + 2**20:
            raise ValueError(f"its {size:,} bytes unpack to {unpacked:,}")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its record '{damaged}' is damaged (wrong checksum); fetch it again")


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
    if Inert.__name__ in text:
        return (
            "holds a list or a dictionary of a class that is not known, which PyTorch does not "
            "fill; save its state_dict alone"
        )
    text = text.split("WeightsUnpickler error: ")[-1].split(" Please")[0]
    return f"not readable as a checkpoint of weights ({type(error).__name__}: {text[:150]})"


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        print(explain(error), file=sys.stderr)
        sys.exit(3)
