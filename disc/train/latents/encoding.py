"""Latents of all training tiles, encoded once into shards, and the scale measured over them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput, digest, write_json
from disc.model.autoencoder import PIXELS, Autoencoder
from disc.model.store import hash_weights
from disc.processes import own_share, wait_for_all
from disc.progress import Bar
from disc.records.typed import Positive
from disc.settings.denoiser import LatentsDtype
from disc.train.draws import transform
from disc.train.latents.shards import Shard, shard_path, write_shard

NAME = "latents.json"


@dataclass(frozen=True)
class Index:
    """What `latents.json` says."""

    scale: Positive
    """Standard deviation of the stored latents."""
    shards: Annotated[tuple[str, ...], Field(min_length=1)]
    """Of what each was made."""


FORMAT = 1
CHUNK = 64
"""Tiles of a shard (51 MB of float16 at 512 px in 8 versions); a stopped encoding resumes at the
next missing one."""

Images = Sequence[npt.NDArray[np.uint8]]


def encode_tiles(
    autoencoder: Autoencoder,
    tiles: TileSet,
    folder: Path,
    versions: int,
    dtype: LatentsDtype = "float32",
) -> float:
    """Encode every tile in its first `versions` flips and rotations, and measure the scale.

    Existing shards are kept if they are undamaged and a hash shows that they were made of the same
    weights, pixels, versions and dtype; all others are made again. Processes share the work.

    Args:
        autoencoder: its scale is set to the measured one.
        tiles: images and masks.
        folder: where `shards/` and, last of all, latents.json are written.
        versions: flips and rotations of the square, 1 to 8; images are transformed, then encoded.
        dtype: of the stored latents; float16 has a relative error of at most 1/2048.

    Returns:
        The standard deviation of the stored latents, over all tiles and versions.

    Raises:
        BadInput: if a tile cannot be read, or its latents are not finite.
    """
    autoencoder.set_scale(1.0)
    recipe = [FORMAT, _identity(autoencoder), versions, dtype]
    starts = range(0, len(tiles), CHUNK)
    paths = [shard_path(folder, number) for number in range(len(starts))]
    share = own_share()
    bar = Bar("latents", total=len(tiles), unit="tile", shown=share.is_first)
    for number, start in enumerate(starts):
        part = range(start, min(start + CHUNK, len(tiles)))
        if share.has(number):
            images, masks = [tiles.image(i) for i in part], [tiles.mask(i) for i in part]
            key = digest([*recipe, _hash_pixels([*images, *masks])])
            if not _is_current(paths[number], key):
                latents = _encode(autoencoder, images, versions).to(getattr(torch, dtype))
                _check_finite(latents, [tiles.tiles[i].name for i in part], dtype)
                write_shard(paths[number], latents, masks, key)
        bar.advance(len(part))
    bar.close()
    wait_for_all()
    shards = [Shard(path) for path in paths]
    scale = _measure_scale(shards)
    autoencoder.set_scale(scale)
    if share.is_first:
        _remove_others(folder / "shards", paths)
        write_json(folder / NAME, asdict(Index(scale, tuple(shard.key for shard in shards))))
    return scale


def _identity(autoencoder: Autoencoder) -> str:
    """Hash of the encoder, its scale left out."""
    config = {name: value for name, value in autoencoder.vq.config.items() if name[0] != "_"}
    return digest([hash_weights(autoencoder.vq), {**config, "scaling_factor": None}])


def _hash_pixels(arrays: Images) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _is_current(path: Path, key: str) -> bool:
    try:
        shard = Shard(path)
        if shard.key != key:
            return False
        shard.check_all()
    except (FileNotFoundError, BadInput):
        return False
    return True


def _encode(autoencoder: Autoencoder, images: Images, versions: int) -> torch.Tensor:
    """Latents [n, versions, 3, h, w] before any scale, as many images at a time as fit PIXELS."""
    device = next(autoencoder.parameters()).device
    places = [(i, v) for i in range(len(images)) for v in range(versions)]
    max_tiles = max(1, PIXELS // images[0][..., 0].size)
    encoded = []
    for start in range(0, len(places), max_tiles):
        transformed = np.stack(
            [transform(images[i], v) for i, v in places[start : start + max_tiles]]
        )
        encoded.append(autoencoder.encode(torch.from_numpy(transformed).to(device)).cpu())
    joined = torch.cat(encoded)
    return joined.reshape(len(images), versions, *joined.shape[1:])


def _check_finite(latents: torch.Tensor, names: Sequence[str], dtype: LatentsDtype) -> None:
    for name, latent in zip(names, latents, strict=True):
        if not bool(torch.isfinite(latent).all()):
            raise BadInput(
                f"{name}: its latents are not finite as {dtype}; use an autoencoder that was "
                "trained well, or --denoiser.latents-dtype float32"
            )


def _measure_scale(shards: Sequence[Shard]) -> float:
    """Standard deviation, to the nearest float32; sums are exact, whatever the order of shards."""
    num, total, squares = (
        math.fsum(shard.facts[name] for shard in shards)
        for name in ("num", "sum", "sum_of_squares")
    )
    # s^2 = (sum z^2 - (sum z)^2 / n) / (n - 1), over all n values of [N, versions, 3, h, w]
    return float(np.float32(math.sqrt((squares - total * total / num) / (num - 1))))


def _remove_others(folder: Path, kept: Sequence[Path]) -> None:
    """Remove shards of an earlier, larger set and files left by interrupted writes."""
    for path in set(folder.iterdir()) - set(kept):
        path.unlink()
