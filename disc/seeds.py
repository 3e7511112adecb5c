"""Randomness as a function of (seed, purpose, index): any part can be reproduced alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(*parts: int | str) -> int:
    """A 63-bit seed from a seed, a purpose and any number of indices."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def numpy_generator(*parts: int | str) -> np.random.Generator:
    """NumPy generator seeded by these parts."""
    return np.random.default_rng(derive(*parts))


def torch_generator(*parts: int | str) -> torch.Generator:
    """Torch generator seeded by these parts, on the CPU: the same numbers for every device."""
    import torch

    return torch.Generator().manual_seed(derive(*parts))
