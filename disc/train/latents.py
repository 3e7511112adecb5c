"""Latents of the training tiles, encoded once, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch

from disc.data.batches import Batches, TileDraws
from disc.data.draws import epoch_indices, turn
from disc.data.tiles import TileSet
from disc.files import write_bytes
from disc.labels import IGNORE, NUM_LABELS
from disc.model.autoencoder import Autoencoder
from disc.model.store import read_tensors
from disc.progress import Bar
from disc.seeds import numpy_generator
from disc.train.fault import NamedBatches
from disc.train.loop import Batch

NAME = "latents.safetensors"
CHUNK = 64


@dataclass(frozen=True)
class LatentSet:
    """Latents with the masks they belong to.

    Attributes:
        latents: float [N, versions, 3, h, w], one version a symmetry of the square.
        masks: uint8 [N, versions, H, W].
        labels: the one label of a tile, or -1 where it has several; int [N].
        names: of the tiles, where they are known.
    """

    latents: torch.Tensor
    masks: torch.Tensor
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...] = ()

    def subset(self, indices: Sequence[int]) -> LatentSet:
        """Some of the tiles, in the order given."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        names = tuple(self.name(i) for i in indices)
        labels = self.labels[chosen.numpy()]
        return LatentSet(self.latents[chosen], self.masks[chosen], labels, names)

    def name(self, index: int) -> str:
        """What tile `index` is called."""
        return self.names[index] if self.names else f"tile {index}"

    def known(self) -> list[int]:
        """Labels present in some mask."""
        counts = torch.bincount(self.masks.flatten().long(), minlength=NUM_LABELS)
        return [label for label in range(NUM_LABELS) if counts[label]]


def encode_tiles(autoencoder: Autoencoder, tiles: TileSet, folder: Path, versions: int) -> float:
    """Encode every tile in its first `versions` symmetries, measure the scale, write all.

    Returns:
        The standard deviation of the latents before scaling; the autoencoder's scale is set to it.
    """
    autoencoder.set_scale(1.0)
    device = next(autoencoder.parameters()).device
    latents, masks = [], []
    bar = Bar("latents", total=len(tiles))
    for start in range(0, len(tiles), CHUNK):
        indices = range(start, min(start + CHUNK, len(tiles)))
        images = _versions([tiles.image(i) for i in indices], versions)
        encoded = autoencoder.encode(images.flatten(0, 1).to(device)).cpu()
        latents.append(encoded.reshape(len(indices), versions, *encoded.shape[1:]))
        masks.append(_versions([tiles.mask(i) for i in indices], versions))
        bar.advance(len(indices))
    bar.close()
    joined = torch.cat(latents)
    scale = float(joined.std())
    autoencoder.set_scale(scale)
    tensors = {"latents": joined / scale, "masks": torch.cat(masks)}
    write_bytes(folder / NAME, safetensors.torch.save(tensors))
    return scale


def read_latents(folder: Path) -> LatentSet:
    """Read what `encode_tiles` wrote.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged.
    """
    tensors = read_tensors(folder / NAME)
    masks = tensors["masks"]
    return LatentSet(tensors["latents"], masks, _only_labels(masks[:, 0]))


def draw_batches(
    latents: LatentSet, *, batch: int, uniform_share: float, seed: int, purpose: str
) -> NamedBatches:
    """Batches of real latents and masks, of which a least share has one label.

    The one-label part is balanced over the labels: separated conditions ask for uniform masks of
    each, and one of them is rare.

    Differs from paper: it draws tiles as they come (uniform_share = 0).
    """
    by_label = [np.flatnonzero(latents.labels == label) for label in range(NUM_LABELS)]
    pools = [pool for pool in by_label if len(pool)]
    num_uniform = round(batch * uniform_share) if pools else 0
    num, versions = latents.latents.shape[:2]

    def choose(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Tiles of a step, and the symmetries that they are shown in."""
        rng = numpy_generator(seed, purpose, "batch", step)
        chosen = [int(rng.integers(len(pools))) for _ in range(num_uniform)]
        uniform = [int(rng.choice(pools[i])) for i in chosen]
        rest = epoch_indices(num, step=step, batch=batch - num_uniform, seed=seed, purpose=purpose)
        index = torch.from_numpy(np.concatenate([rest, np.array(uniform, np.int64)]))
        return index, torch.from_numpy(rng.integers(versions, size=batch))

    def batch_at(step: int) -> Batch:
        index, version = choose(step)
        return {"latents": latents.latents[index, version], "masks": latents.masks[index, version]}

    return NamedBatches(batch_at, lambda step: [latents.name(int(i)) for i in choose(step)[0]])


def draw_tiles(tiles: TileSet, *, batch: int, seed: int, workers: int = 0) -> NamedBatches:
    """Batches of tiles for the autoencoder, uint8 [B, H, W, 3], turned at random."""
    draws = TileDraws(tiles, seed=seed, purpose="autoencoder", has_masks=False)
    batches = Batches(draws, size=batch, workers=workers)

    def names_at(step: int) -> list[str]:
        chosen = [draws.choose(draw)[0] for draw in range(step * batch, (step + 1) * batch)]
        return [tiles.tiles[index].name for index in chosen]

    return NamedBatches(lambda step: {"tiles": batches(step)["images"].movedim(1, -1)}, names_at)


def _versions(arrays: list[npt.NDArray[np.uint8]], versions: int) -> torch.Tensor:
    turned = [np.stack([turn(array, v) for v in range(versions)]) for array in arrays]
    return torch.from_numpy(np.stack(turned))


def _only_labels(masks: torch.Tensor) -> npt.NDArray[np.int64]:
    flat = masks.flatten(1)
    first = flat[:, :1]
    is_uniform = (flat == first).all(1) & (first[:, 0] != IGNORE)
    return torch.where(is_uniform, first[:, 0].long(), -1).numpy()
