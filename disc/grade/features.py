"""Feature files: one HDF5 a slide, as CLAM and TRIDENT write them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from disc.files import BadInput, read_bytes, write_bytes
from disc.labels import NUM_LABELS
from disc.records.listing import check_listed

GRID = 4
"""Cells a side over which posteriors are averaged."""
MAX_VALUES = 2**28
"""Of a slide: 100,000 tiles of 2,560 values."""
_REMEDY = "expected HDF5 with features [tiles, D]; write it anew"
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


def likeliest_labels(features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The label with the largest mean, int [N], of tiles by their `describe_posteriors`."""
    labels: npt.NDArray[np.int64] = features[:, :NUM_LABELS].argmax(1)
    return labels


@dataclass(frozen=True)
class FeatureFile:
    """What is known of the tiles, or superpixels, of one slide.

    Attributes:
        features: float32 [N, D].
        coords: x and y at level 0, int64 [N, 2]; None where the file has none.
        tile_px: side of a tile at level 0; None where the file does not say.
        labels: of the tiles, 255 where unknown, uint8 [N]; None where the file has none.
    """

    features: npt.NDArray[np.float32]
    coords: npt.NDArray[np.int64] | None = None
    tile_px: float | None = None
    labels: npt.NDArray[np.uint8] | None = None


def write_features(
    path: Path,
    features: npt.NDArray[np.float32],
    coords: npt.NDArray[np.int64],
    tile_px: float,
    labels: npt.NDArray[np.uint8] | None = None,
    *,
    level0_px: float | None = None,
) -> None:
    """Write the features of one slide.

    Args:
        path: of the file, `<slide>.h5`.
        features: float32 [N, D].
        coords: x and y of the tiles' corners at level 0, [N, 2].
        tile_px: side of the tiles as they were read.
        labels: of the tiles, uint8 [N].
        level0_px: side of the tiles at level 0; None: not known, as of tiles that are files.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w", track_order=True) as file:
        file.create_dataset("features", data=features.astype(np.float32))
        placed = file.create_dataset("coords", data=coords.astype(np.int64))
        placed.attrs["patch_size"] = round(tile_px)
        if level0_px is not None:
            placed.attrs["patch_size_level0"] = round(level0_px)
        placed.attrs["name"] = path.stem
        if labels is not None:
            file.create_dataset("labels", data=labels.astype(np.uint8))
    write_bytes(path, memory.getvalue())


def read_features(path: Path) -> npt.NDArray[np.float32]:
    """The features of one slide, float32 [N, D].

    Raises:
        FileNotFoundError: if the file is missing.
        BadInput: if it is damaged, changed, or holds no features.
    """
    return read_feature_file(path).features


def read_feature_file(path: Path) -> FeatureFile:
    """A feature file of ours, of CLAM or of TRIDENT.

    Features may be of any real type and may have a leading axis of 1; coordinates and what is said
    of them are read where they are.

    Raises:
        FileNotFoundError: if the file is missing.
        BadInput: if it is damaged, holds no features, or not one place a tile.
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
            coords = np.asarray(file["coords"][()], np.int64) if "coords" in file else None
            labels = np.asarray(file["labels"][()], np.uint8) if "labels" in file else None
            tile_px = _side(file["coords"].attrs) if "coords" in file else None
    except Exception as error:  # Damage makes h5py raise anything.
        raise BadInput(f"{path}: not a feature file ({error}); {_REMEDY}") from error
    if features.ndim == 3 and len(features) == 1:
        features = features[0]
    if features.ndim != 2 or not len(features):
        raise BadInput(f"{path}: features have shape {features.shape}; expected [tiles, D]")
    if not np.isfinite(features).all():
        raise BadInput(f"{path}: features are not finite; {_REMEDY}")
    coords = coords[0] if coords is not None and coords.ndim == 3 else coords
    for name, found in (("coords", coords), ("labels", labels)):
        if found is not None and len(found) != len(features):
            raise BadInput(f"{path}: {len(found)} {name} of {len(features)} tiles; write it anew")
    return FeatureFile(features, coords, tile_px, labels)


def _side(attributes: Any) -> float | None:
    """Side of a tile at level 0, from what CLAM or TRIDENT say of coordinates."""
    for name in ("patch_size_level0", "patch_size"):
        if name in attributes:
            # CLAM's patches are of a level; ours have no downsample
            downsample = np.ravel(attributes.get("downsample", 1.0))[0]
            return float(attributes[name]) * (float(downsample) if name == "patch_size" else 1.0)
    return None


def _log_odds(probabilities: torch.Tensor) -> torch.Tensor:
    return torch.logit(probabilities, eps=SMALLEST)
