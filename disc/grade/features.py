"""Feature files: one HDF5 a slide, as CLAM and TRIDENT write them."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from disc.files import BadInput, read_bytes, write_bytes
from disc.records.listing import check_listed

GRID = 4
"""Cells a side over which posteriors are averaged."""
MAX_VALUES = 2**28
"""Of a slide: 100,000 tiles of 2,560 values."""
SMALLEST = 0.01
"""Probabilities are kept this far from 0 and 1 before their log odds are taken."""


def describe_posteriors(
    probabilities: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """The feature vectors of tiles, from what a pixel grader reads in them.

    Per label: log odds of the mean over the tile, standard deviation over its pixels, and log odds
    of the means over a 4 x 4 grid, sorted (where in the tile a pattern lies, and how the tile is
    rotated, must not matter). What a label means is the same for every network, so vectors of two
    cross-fitted networks can stand in one bag space; their hidden activations could not.

    Args:
        probabilities: float [N, 4, H, W].

    Returns:
        float32 [N, 72].
    """
    maps = torch.from_numpy(probabilities)
    cells = F.adaptive_avg_pool2d(maps, GRID).flatten(2).sort(2, descending=True).values
    parts = [
        _log_odds(maps.mean((2, 3))),
        4 * maps.std((2, 3), correction=0),
        _log_odds(cells).flatten(1),
    ]
    features: npt.NDArray[np.float32] = torch.cat(parts, 1).numpy()
    return features


def write_features(
    path: Path, features: npt.NDArray[np.float32], coords: npt.NDArray[np.int64], tile_px: int
) -> None:
    """Write the features of one slide.

    Args:
        path: of the file, `<slide>.h5`.
        features: float32 [N, D].
        coords: x and y of the tiles' corners at level 0, [N, 2].
        tile_px: side of the tiles as they were read.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w", track_order=True) as file:
        file.create_dataset("features", data=features.astype(np.float32))
        placed = file.create_dataset("coords", data=coords.astype(np.int64))
        placed.attrs["patch_size"] = tile_px
        placed.attrs["name"] = path.stem
    write_bytes(path, memory.getvalue())


def read_features(path: Path) -> npt.NDArray[np.float32]:
    """The features of one slide, float32 [N, D].

    Raises:
        FileNotFoundError: if the file is missing.
        BadInput: if it is damaged, changed, or holds no features.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such feature file")
    data = read_bytes(path)
    check_listed(path, data)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            found = file["features"]
            if found.size > MAX_VALUES:
                raise ValueError(f"claims {found.size:,} values; expected at most {MAX_VALUES:,}")
            features = np.asarray(found[()], np.float32)
    except Exception as error:  # Damage makes h5py raise anything.
        raise BadInput(f"{path}: not a feature file ({error}); delete it to redo") from error
    if features.ndim != 2 or not len(features):
        raise BadInput(f"{path}: features have shape {features.shape}; expected [tiles, D]")
    if not np.isfinite(features).all():
        raise BadInput(f"{path}: features are not finite; delete it to redo")
    return features


def _log_odds(probabilities: torch.Tensor) -> torch.Tensor:
    return torch.logit(probabilities, eps=SMALLEST)
