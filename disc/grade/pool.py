"""Tiles decoded once, and batches of them that show rare labels often enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import torch

from disc.data.tiles.tile_set import Pixels, TileSet
from disc.files import BadInput
from disc.labels import NUM_LABELS
from disc.seeds import numpy_generator
from disc.train.draws import NUM_DIHEDRAL
from disc.train.loop import Batch
from disc.train.tile_batches import Batches, TileDraws

MAX_BYTES = 2 << 30
"""Sets whose images and masks are larger stay on disk and are decoded at every use."""


@dataclass(frozen=True)
class TilePool:
    """Images and masks of a tile set; several trainings can share one."""

    tiles: TileSet
    workers: int = 0
    """Processes that decode tiles ahead, where they stay on disk."""
    _ahead: dict[tuple[int, int, str], Batches] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.tiles)

    def image(self, index: int) -> Pixels:
        """Tile `index`, uint8 [H, W, 3]."""
        return self._images[index] if self._is_small else self.tiles.image(index)

    def mask(self, index: int) -> Pixels:
        """Its mask, uint8 [H, W]."""
        return self._masks[index] if self._is_small else self.tiles.mask(index)

    def only(self, indices: Iterable[int]) -> TilePool:
        """A pool of some of the tiles."""
        return TilePool(self.tiles.only(indices), self.workers)

    @cached_property
    def label_counts(self) -> npt.NDArray[np.int64]:
        """Pixels of each label in each mask, [N, 4]."""
        masks = (self.mask(index) for index in range(len(self)))
        counts = [np.bincount(mask.ravel(), minlength=NUM_LABELS)[:NUM_LABELS] for mask in masks]
        return np.stack(counts).astype(np.int64)

    @property
    def chances(self) -> npt.NDArray[np.float64]:
        """How often `draw_batch` draws a tile for each label, [4].

        The square root of its fraction in the set, scaled to add up to 1: rare labels come often,
        but are not taken for common ones.
        """
        roots: npt.NDArray[np.float64] = np.sqrt(self.label_counts.sum(axis=0))
        chances: npt.NDArray[np.float64] = roots / max(float(roots.sum()), 1.0)
        return chances

    @cached_property
    def label_fractions(self) -> npt.NDArray[np.float64]:
        """Fraction of each label in the pixels that `draw_batch` shows, [4].

        A tile that is drawn for one label shows the others in it, too.
        """
        weights = np.diff(self._cumulative, prepend=0.0)
        shown = weights @ self.label_counts
        fractions: npt.NDArray[np.float64] = shown / shown.sum()
        return fractions

    def draw_batch(
        self, size: int, *, step: int, seed: int, purpose: str, rows: range | None = None
    ) -> Batch:
        """Tiles and masks of a step: `images` uint8 [B, 3, H, W] and `masks` uint8 [B, H, W].

        With `rows`, only those of the batch. A label is drawn by `chances`, then a tile by how much
        of the label it holds; it is flipped and rotated at random.
        """
        key = size, seed, purpose
        if key not in self._ahead:
            draws = TileDraws(self, seed=seed, choose=partial(self._choose, key))
            workers = 0 if self._is_small else self.workers
            self._ahead[key] = Batches(draws, size=size, workers=workers)
        return self._ahead[key](step, rows)

    def batch_names(self, size: int, *, step: int, seed: int, purpose: str) -> list[str]:
        """Names of the tiles that `draw_batch` gives."""
        key = size, seed, purpose
        chosen = [self._choose(key, draw)[0] for draw in range(step * size, (step + 1) * size)]
        return [self.tiles.tiles[index].name for index in chosen]

    def _choose(self, key: tuple[int, int, str], draw: int) -> tuple[int, int]:
        """Tile and dihedral transform of a draw."""
        size, seed, purpose = key
        step, place = divmod(draw, size)
        rng = numpy_generator(seed, purpose, "tiles", step)
        chosen = np.searchsorted(self._cumulative, rng.random(size), side="right")
        transforms = rng.integers(NUM_DIHEDRAL, size=size)
        return int(chosen[place]), int(transforms[place])

    @property
    def _is_small(self) -> bool:
        return len(self) * self.tiles.tile_px**2 * 4 <= MAX_BYTES

    @cached_property
    def _images(self) -> list[Pixels]:
        return [self.tiles.image(index) for index in range(len(self))]

    @cached_property
    def _masks(self) -> list[Pixels]:
        return [self.tiles.mask(index) for index in range(len(self))]

    @cached_property
    def _cumulative(self) -> npt.NDArray[np.float64]:
        counts = self.label_counts.astype(np.float64)
        weights = (counts / counts.sum(axis=0).clip(min=1)) @ self.chances
        if not weights.any():
            place = self.tiles.tiles[0].image.parent.parent if len(self) else "no tiles"
            said = "no pixel of its masks has a label, and a network is to learn from them"
            raise BadInput(f"{place}: {said}; give masks, or another fold")
        cumulative: npt.NDArray[np.float64] = np.cumsum(weights / weights.sum())
        # Rounding may leave the last entry below 1, and a draw beyond it.
        cumulative[np.flatnonzero(weights)[-1] :] = 1.0
        return cumulative


Tiles = TileSet | TilePool
"""Where both are taken, a pool saves decoding the same set for several trainings."""


def as_pool(tiles: Tiles) -> TilePool:
    """The pool itself, or a new one."""
    return tiles if isinstance(tiles, TilePool) else TilePool(tiles)


def list_tiles(tiles: Tiles) -> TileSet:
    """What is listed of a set or a pool."""
    return tiles.tiles if isinstance(tiles, TilePool) else tiles


def to_channels_first(images: Pixels | Sequence[Pixels]) -> torch.Tensor:
    """Uint8 [N, H, W, 3] as a tensor [N, 3, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(np.asarray(images).transpose(0, 3, 1, 2)))
