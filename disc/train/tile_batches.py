"""Tiles and masks as tensors for training, decoded ahead by worker processes.

A draw is a function of (set, seed, purpose, index of the draw) alone: neither the number of workers
nor where a training was resumed changes the batch of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from disc.data.pixels.images import Pixels
from disc.files import BadInput
from disc.processes import num_cores
from disc.seeds import numpy_generator
from disc.train.draws import NUM_DIHEDRAL, epoch_indices, transform

Choice = Callable[[int], tuple[int, int]]
"""From the index of a draw to a tile, and which of its 8 flips and rotations (0 to 7)."""


class Decoder(Protocol):
    """Source of pixels: a set on disk, or one decoded in memory."""

    def __len__(self) -> int:
        """Number of tiles."""

    def image(self, index: int) -> Pixels:
        """Tile `index`, uint8 [H, W, 3]."""

    def mask(self, index: int) -> Pixels:
        """Its mask, uint8 [H, W]."""


class TileDraws(Dataset[dict[str, Tensor]]):
    """Endless draws of tiles: each once an epoch, flipped and rotated at random."""

    def __init__(
        self,
        tiles: Decoder,
        *,
        seed: int,
        purpose: str = "tiles",
        choose: Choice | None = None,
        stain: float = 0.0,
        has_masks: bool = True,
    ) -> None:
        """Draw from a set.

        Args:
            tiles: the set.
            seed: of all draws.
            purpose: part of the seed; draws for different purposes are independent.
            choose: the tile of a draw, and which of its 8 flips and rotations; None: all tiles,
                shuffled.
            stain: standard deviation of the log of the factor on each channel's optical density.
            has_masks: whether masks are read.
        """
        self.tiles = tiles
        self.seed = seed
        self.purpose = purpose
        self.choose = choose or self._shuffled
        self.stain = stain
        self.has_masks = has_masks

    def __getitem__(self, draw: int) -> dict[str, Tensor]:
        """Draw `draw`: `images` uint8 [3, H, W] and, if there are, `masks` uint8 [H, W].

        Raises:
            BadInput: if a file cannot be used.
        """
        index, version = self.choose(draw)
        image = transform(self.tiles.image(index), version)
        if self.stain:
            rng = numpy_generator(self.seed, self.purpose, "stain", draw)
            image = change_stain(image, np.exp(rng.normal(0, self.stain, 3)))
        item = {"images": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))}
        if self.has_masks:
            mask = transform(self.tiles.mask(index), version)
            item["masks"] = torch.from_numpy(np.ascontiguousarray(mask))
        return item

    def _shuffled(self, draw: int) -> tuple[int, int]:
        names = {"seed": self.seed, "purpose": self.purpose}
        (index,) = epoch_indices(len(self.tiles), step=draw, batch=1, **names)  # type: ignore[arg-type]
        version = numpy_generator(self.seed, self.purpose, "turn", draw).integers(NUM_DIHEDRAL)
        return int(index), int(version)


def change_stain(image: Pixels, factors: Sequence[float] | np.typing.NDArray[np.float64]) -> Pixels:
    """A tile uint8 [H, W, 3] with the optical density of each channel times a factor."""
    # Beer-Lambert: I = 255 exp(-OD), so OD * factor is (I / 255) ** factor, a table of 256 values
    light = np.arange(256).clip(min=1) / 255
    tables = [(255 * light**factor).round().astype(np.uint8) for factor in factors]
    return np.stack([np.take(table, image[..., i]) for i, table in enumerate(tables)], -1)


class Batches:
    """Batches of draws: batch `step` holds draws step * size to (step + 1) * size - 1."""

    def __init__(self, draws: TileDraws, *, size: int, workers: int = 0) -> None:
        """Make batches of draws.

        Args:
            draws: of tiles.
            size: draws of a batch.
            workers: processes that decode ahead, at most one a core; 0: none.
        """
        self._draws = _Careful(draws)
        self._size = size
        self._workers = min(workers, num_cores())
        self._next = (-1, range(0))
        self._ahead: Iterator[Mapping[str, Tensor] | BadInput] = iter(())

    def __call__(self, step: int, rows: range | None = None) -> Mapping[str, Tensor]:
        """The batch of a step: the draws' tensors, stacked. Cheapest one step after the other.

        Args:
            step: of the training.
            rows: which of the batch are decoded; None: all.

        Raises:
            BadInput: if a file cannot be used.
        """
        rows = range(self._size) if rows is None else rows
        if (step, rows) != self._next:
            self._ahead = iter(self._load_from(step, rows))
        self._next = step + 1, rows
        batch = next(self._ahead)
        if isinstance(batch, BadInput):
            raise batch
        return batch

    def _load_from(self, step: int, rows: range) -> DataLoader[dict[str, Tensor]]:
        return DataLoader(
            self._draws,  # type: ignore[arg-type]
            batch_sampler=_Steps(step, self._size, rows),
            num_workers=self._workers,
            collate_fn=_stack,
            # A generator of its own: the loader must not advance the training's.
            generator=torch.Generator(),
        )


class _Careful(Dataset[dict[str, Tensor] | BadInput]):
    """Draws, or the error of one as a value: raised in a worker it would carry a traceback."""

    def __init__(self, draws: TileDraws) -> None:
        self._draws = draws

    def __getitem__(self, draw: int) -> dict[str, Tensor] | BadInput:
        try:
            return self._draws[draw]
        except BadInput as error:
            return BadInput(str(error))


class _Steps(Sampler[list[int]]):
    """Indices of the draws of a step and of all steps after it."""

    def __init__(self, first: int, size: int, rows: range) -> None:
        self._first = first
        self._size = size
        self._rows = rows

    def __iter__(self) -> Iterator[list[int]]:
        step = self._first
        while True:
            yield [step * self._size + row for row in self._rows]
            step += 1


def _stack(items: Sequence[dict[str, Tensor] | BadInput]) -> Mapping[str, Tensor] | BadInput:
    good = [item for item in items if not isinstance(item, BadInput)]
    if len(good) < len(items):
        return next(item for item in items if isinstance(item, BadInput))
    return {key: torch.stack([item[key] for item in good]) for key in good[0]}
