"""Public encoders at work: tiles of any size to features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from disc.data.pixels.images import Pixels
from disc.grade.encoders.network import SIDE, EncoderNetwork
from disc.grade.pixels import CHUNK, stack_chunk


class TileEncoder(Protocol):
    """Whatever makes features of tiles."""

    def read(self, slide_id: str, images: Iterator[Pixels]) -> npt.NDArray[np.float32]:
        """Features [N, D] of tiles uint8 [H, W, 3] of one slide."""
        ...


@runtime_checkable
class SharedEncoder(TileEncoder, Protocol):
    """An encoder that says which slides it reads alike, so that they may be read as one."""

    def choose(self, slide_id: str) -> int:
        """The same number for slides that it reads alike."""
        ...


class FrozenEncoder:
    """An encoder that reads all slides alike.

    Tiles are brought to 224 px, whole (bicubic, antialiased).
    """

    def __init__(self, network: EncoderNetwork) -> None:
        """Read with a network on the device where it is."""
        self.network = network.eval()

    def choose(self, slide_id: str) -> int:
        """All slides are read alike."""
        return 0

    def read(self, slide_id: str, images: Iterator[Pixels]) -> npt.NDArray[np.float32]:
        """Features [N, D] of tiles uint8 [H, W, 3]; the slide does not matter."""
        chunks = iter(lambda: list(islice(images, CHUNK)), [])
        parts = [self._read(chunk) for chunk in chunks]
        width = self.network.encoder.width
        return np.concatenate(parts) if parts else np.empty((0, width), np.float32)

    @torch.no_grad()
    def _read(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        tiles = stack_chunk(images, self.network.mean.device)
        if tiles.shape[-2:] != (SIDE, SIDE):
            tiles = F.interpolate(tiles, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)
        features: npt.NDArray[np.float32] = self.network(tiles).float().cpu().numpy()
        return features[: len(images)]
