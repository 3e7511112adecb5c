"""Latents of the training tiles, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.labels import NUM_LABELS, slide_label
from disc.model.tokens import UNKNOWN_SLIDE
from disc.records.typed import read_record
from disc.seeds import numpy_generator
from disc.train.diagnose import NamedBatches
from disc.train.draws import epoch_indices
from disc.train.even_draws import choose_evenly, main_labels
from disc.train.latents.encoding import NAME, Index
from disc.train.latents.shards import Shard, Store, StoredLatents, StoredMasks, shard_path
from disc.train.loop import Batch
from disc.train.tile_batches import Batches, TileDraws


@dataclass(frozen=True)
class LatentSet:
    """Latents and their masks, as tensors, or on disk and read batch by batch.

    Attributes:
        latents: float [N, versions, 3, h, w]; a version is one of the 8 flips and rotations.
        masks: uint8 [N, versions, H, W].
        labels: the label of a tile with a single-class mask, -1 for others; int [N].
        slides: bits NC, GG3, GG4, GG5 of a tile's slide, uint8 [N, 4]; 255 if unlabelled.
        names: of the tiles, or none.
    """

    latents: torch.Tensor | StoredLatents
    masks: torch.Tensor | StoredMasks
    labels: npt.NDArray[np.int64]
    slides: torch.Tensor
    names: tuple[str, ...] = ()

    def subset(self, indices: Sequence[int]) -> LatentSet:
        """Some of the tiles, in the order of the indices."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        labels, slides = self.labels[chosen.numpy()], self.slides[chosen]
        names = tuple(self.name(i) for i in indices)
        return LatentSet(self.latents[chosen], self.masks[chosen], labels, slides, names)

    def name(self, index: int) -> str:
        """Name of tile `index`."""
        return self.names[index] if self.names else f"tile {index}"

    def known(self) -> list[int]:
        """Labels that occur in some mask."""
        if isinstance(self.masks, StoredMasks):
            return self.masks.known()
        counts = torch.bincount(self.masks.flatten().long(), minlength=NUM_LABELS)
        return [label for label in range(NUM_LABELS) if counts[label]]


def unknown_slides(num: int) -> torch.Tensor:
    """Labels uint8 [num, 4] of unlabelled slides: 255."""
    return torch.full((num, NUM_LABELS), UNKNOWN_SLIDE, dtype=torch.uint8)


def label_slides(tiles: TileSet) -> torch.Tensor:
    """Labels uint8 [N, 4] of the slides of all tiles; 255 for unlabelled slides."""
    labels = unknown_slides(len(tiles))
    for row, tile in zip(labels, tiles.tiles, strict=True):
        slide = tiles.slides[tile.slide_id]
        if slide.primary is not None and slide.secondary is not None:
            row.copy_(torch.tensor(slide_label(slide.primary, slide.secondary)))
    return labels


def read_latents(folder: Path, slides: torch.Tensor | None = None) -> LatentSet:
    """Open what `encode_tiles` wrote.

    Args:
        folder: of the stage.
        slides: labels of the tiles' slides, as from `label_slides`; None: unlabelled.

    Raises:
        FileNotFoundError: if it, or a shard, is missing.
        BadInput: if it is damaged, or a shard is of other tiles or weights.
    """
    remedy = f"delete {folder}/done.json and run the same command again, which makes it again"
    index = read_record(folder / NAME, Index, remedy)
    shards = [Shard(shard_path(folder, number)) for number in range(len(index.shards))]
    for shard, key in zip(shards, index.shards, strict=True):
        if shard.key != key:
            raise BadInput(f"{shard.path}: made of {shard.key}, expected {key}; {remedy}")
    store = Store(shards, index.scale)
    tiles = torch.arange(sum(shard.shape[0] for shard in shards))
    masks = StoredMasks(store, tiles)
    labels = unknown_slides(len(tiles)) if slides is None else slides
    return LatentSet(StoredLatents(store, tiles), masks, masks.labels(), labels)


def count_uniform(batch: int, fraction: float) -> int:
    """How many of a batch are drawn from tiles with a uniform mask."""
    return round(batch * fraction)


def draw_batches(
    latents: LatentSet, *, batch: int, uniform_fraction: float, seed: int, purpose: str
) -> NamedBatches:
    """Batches of real latents and masks, a fraction of them drawn from those with uniform masks.

    That fraction is balanced over the labels: separated conditions use uniform masks of each label,
    and tiles of one label alone are rare for some.

    Differs from paper: it draws tiles as they come (uniform_fraction = 0).
    """
    by_label = [np.flatnonzero(latents.labels == label) for label in range(NUM_LABELS)]
    pools = [pool for pool in by_label if len(pool)]
    num_uniform = count_uniform(batch, uniform_fraction) if pools else 0
    num, versions = latents.latents.shape[:2]

    def choose(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Tiles of a step, and their flips and rotations."""
        rng = numpy_generator(seed, purpose, "batch", step)
        chosen = [int(rng.integers(len(pools))) for _ in range(num_uniform)]
        uniform = [int(rng.choice(pools[i])) for i in chosen]
        rest = epoch_indices(num, step=step, batch=batch - num_uniform, seed=seed, purpose=purpose)
        index = torch.from_numpy(np.concatenate([rest, np.array(uniform, np.int64)]))
        return index, torch.from_numpy(rng.integers(versions, size=batch))

    def part_at(step: int, rows: range) -> Batch:
        index, version = (chosen[rows.start : rows.stop] for chosen in choose(step))
        return {
            "latents": latents.latents[index, version],
            "masks": latents.masks[index, version],
            "slides": latents.slides[index],
        }

    def names_at(step: int) -> list[str]:
        return [latents.name(int(i)) for i in choose(step)[0]]

    return NamedBatches.by_rows(part_at, batch, names_at)


def draw_tiles(
    tiles: TileSet, *, batch: int, seed: int, workers: int = 0, is_even: bool = False
) -> NamedBatches:
    """Batches of tiles for the autoencoder, uint8 [B, H, W, 3], flipped and rotated at random.

    Args:
        tiles: the set.
        batch: tiles of a step.
        seed: of all draws.
        workers: processes that decode ahead.
        is_even: whether each label's tiles come equally often; masks are read for that.
    """
    purpose = "autoencoder"
    choose = choose_evenly(main_labels(tiles), seed=seed, purpose=purpose) if is_even else None
    draws = TileDraws(tiles, seed=seed, purpose=purpose, choose=choose, has_masks=False)
    batches = Batches(draws, size=batch, workers=workers)

    def part_at(step: int, rows: range) -> Batch:
        return {"tiles": batches(step, rows)["images"].movedim(1, -1)}

    def names_at(step: int) -> list[str]:
        chosen = [draws.choose(draw)[0] for draw in range(step * batch, (step + 1) * batch)]
        return [tiles.tiles[index].name for index in chosen]

    return NamedBatches.by_rows(part_at, batch, names_at)
