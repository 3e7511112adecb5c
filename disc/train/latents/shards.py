"""Latents on disk, in shards of bounded size, of which only what a batch needs is read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError

from disc.files import BadInput, reason, write_bytes
from disc.labels import NUM_LABELS
from disc.model.latent_shape import LATENT_FACTOR
from disc.model.store import map_tensors, read_numbers
from disc.train.draws import transform

Masks = Sequence[npt.NDArray[np.uint8]]


def shard_path(folder: Path, number: int) -> Path:
    """Path of a shard."""
    return folder / "shards" / f"latents_{number:06d}.safetensors"


def write_shard(path: Path, latents: torch.Tensor, masks: Masks, key: str) -> None:
    """Write the latents of some tiles, and their masks, whole or not at all.

    Latents are stored as encoded, not divided by the scale, which is known only after the last
    shard; the rounding error is the same. A mask is stored once, deflated, and flipped and rotated
    when read.

    Args:
        path: the file.
        latents: [n, versions, 3, h, w], float32 or float16.
        masks: of the same tiles, each uint8 [H, W], as annotated.
        key: hash of what it was made of; with another key it must be made again.
    """
    deflated = [zlib.compress(np.ascontiguousarray(mask).tobytes()) for mask in masks]
    sums = [_sums(tile) for tile in latents]
    facts = {
        "key": key,
        "tile_px": len(masks[0]),
        "present": [np.unique(mask).tolist() for mask in masks],
        "num": latents.numel(),
        "sum": sum(row[0] for row in sums),
        "sum_of_squares": sum(row[1] for row in sums),
    }
    tensors = {
        "latents": latents.contiguous(),
        "checks": torch.tensor([[_check(transformed) for transformed in tile] for tile in latents]),
        "masks": torch.frombuffer(bytearray(b"".join(deflated)), dtype=torch.uint8),
        "ends": torch.tensor([len(mask) for mask in deflated]).cumsum(0),
    }
    # one metadata entry: safetensors writes several in an order that differs from run to run
    write_bytes(path, safetensors.torch.save(tensors, {"facts": json.dumps(facts)}))


class Shard:
    """One shard, memory-mapped: its latents and masks are read on access."""

    def __init__(self, path: Path) -> None:
        """Open a shard.

        Raises:
            FileNotFoundError: if it is missing.
            BadInput: if it is damaged.
        """
        self.path = path
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such shard; {_remedy(path)}")
        try:
            file = map_tensors(path)
            self.facts: dict[str, Any] = json.loads(file.metadata()["facts"])
            self.key: str = self.facts["key"]
            self.present: list[list[int]] = self.facts["present"]
            self._latents, self._masks = file.get_slice("latents"), file.get_slice("masks")
            self._checks = read_numbers(file, "checks")
            self._ends = [0, *read_numbers(file, "ends")]
            self.shape: tuple[int, ...] = tuple(self._latents.get_shape())
            if self.facts["tile_px"] != LATENT_FACTOR * self.shape[-1]:
                raise ValueError(f"tile_px {self.facts['tile_px']}, latents {list(self.shape)}")
        except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
            raise self._damaged(reason(error)) from error

    def latent(self, row: int, version: int) -> torch.Tensor:
        """Latent [3, h, w] of a tile in a version, as it was stored.

        Raises:
            BadInput: if it is damaged.
        """
        latent: torch.Tensor = self._latents[row, version]
        if _check(latent) != self._checks[row][version]:
            raise self._damaged(
                f"the latent of tile {row} has another checksum than when it was written"
            )
        return latent

    def mask(self, row: int) -> npt.NDArray[np.uint8]:
        """Mask of a tile, uint8 [H, W], as annotated.

        Raises:
            BadInput: if it is damaged.
        """
        deflated = self._masks[self._ends[row] : self._ends[row + 1]]
        side = self.facts["tile_px"]
        try:
            # One byte more than a mask: what unpacks to more than it is not unpacked.
            unpacked = zlib.decompressobj().decompress(deflated.numpy().tobytes(), side * side + 1)
            return np.frombuffer(unpacked, np.uint8).reshape(side, side)
        except (zlib.error, ValueError) as error:
            raise self._damaged(f"the mask of tile {row}: {reason(error)}") from error

    def check_all(self) -> None:
        """Read everything once.

        Raises:
            BadInput: if anything is damaged.
        """
        for row in range(self.shape[0]):
            self.mask(row)
            for version in range(self.shape[1]):
                self.latent(row, version)

    def _damaged(self, why: str) -> BadInput:
        return BadInput(f"{self.path}: damaged ({why}); {_remedy(self.path)}")


@dataclass(frozen=True)
class Store:
    """All shards of a set, and the scale that latents are divided by."""

    shards: Sequence[Shard]
    scale: float


class _Stored:
    """Stands for a tensor [N, versions, ...] on disk.

    Indexed by tiles it is a view of those tiles; indexed by tiles and versions it is read.
    """

    def __init__(self, store: Store, tiles: torch.Tensor) -> None:
        self._store = store
        self._tiles = tiles

    @property
    def shape(self) -> tuple[int, ...]:
        """Tiles, versions, and so on."""
        return (len(self._tiles), *self._store.shards[0].shape[1:])

    def __len__(self) -> int:
        return len(self._tiles)

    @overload
    def __getitem__(self, at: torch.Tensor) -> Self: ...

    @overload
    def __getitem__(self, at: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor: ...

    def __getitem__(self, at: torch.Tensor | tuple[torch.Tensor, torch.Tensor]) -> Any:
        if isinstance(at, torch.Tensor):
            return type(self)(self._store, self._tiles[at])
        tiles, versions = self._tiles[at[0]].tolist(), at[1].tolist()
        read = [self._read(*self._place(i), v) for i, v in zip(tiles, versions, strict=True)]
        return self._finish(torch.stack(read))

    def _place(self, tile: int) -> tuple[Shard, int]:
        size = self._store.shards[0].shape[0]  # all but the last are as large
        return self._store.shards[tile // size], tile % size

    def _read(self, shard: Shard, row: int, version: int) -> torch.Tensor:
        raise NotImplementedError

    def _finish(self, read: torch.Tensor) -> torch.Tensor:
        return read


class StoredLatents(_Stored):
    """Latents [N, versions, 3, h, w], read as float32 and divided by the scale."""

    def _read(self, shard: Shard, row: int, version: int) -> torch.Tensor:
        return shard.latent(row, version)

    def _finish(self, read: torch.Tensor) -> torch.Tensor:
        return read.float() / self._store.scale


class StoredMasks(_Stored):
    """Masks uint8 [N, versions, H, W], flipped and rotated as their latents."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Tiles, versions, height, width."""
        side = self._store.shards[0].facts["tile_px"]
        return (*super().shape[:2], side, side)

    def labels(self) -> npt.NDArray[np.int64]:
        """The label of each uniform mask; -1 for masks of several labels or unlabelled pixels."""
        found = [classes[0] if len(classes) == 1 else -1 for classes in self._present()]
        labels = np.array(found, np.int64)
        return np.where(labels < NUM_LABELS, labels, -1)

    def known(self) -> list[int]:
        """Labels that occur in some mask."""
        found = set().union(*self._present())
        return [label for label in range(NUM_LABELS) if label in found]

    def _present(self) -> list[list[int]]:
        places = [self._place(tile) for tile in self._tiles.tolist()]
        return [shard.present[row] for shard, row in places]

    def _read(self, shard: Shard, row: int, version: int) -> torch.Tensor:
        return torch.from_numpy(transform(shard.mask(row), version).copy())


def _sums(latents: torch.Tensor) -> tuple[float, float]:
    # numpy's sum does not depend on the number of threads
    values = latents.numpy().astype(np.float64)
    return float(values.sum()), float(np.square(values).sum())


def _check(latent: torch.Tensor) -> int:
    return zlib.crc32(np.ascontiguousarray(latent.numpy()).data)


def _remedy(path: Path) -> str:
    marker = path.parent.parent / "done.json"
    return f"delete {marker} and run the same command again, which keeps every undamaged shard"
