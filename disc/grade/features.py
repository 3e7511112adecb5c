"""Feature files: one HDF5 a slide, as CLAM and TRIDENT write them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from disc.files import BadInput, read_bytes, reason, write_bytes
from disc.labels import NUM_LABELS
from disc.records.hdf5 import check_stored, find_dataset, read_side
from disc.records.listing import check_listed

GRID = 4
"""Cells a side over which posteriors are averaged."""
MAX_VALUES = 2**28
"""Of a slide: 100,000 tiles of 2,560 values."""
MAX_TILES = 2**24
_MAX_BYTES = 4 * MAX_VALUES
"""Of these, of whatever type."""
_BLOCK = 2**22
"""Values that are read at once: in between, a command can be stopped."""
_EACH = {
    "coords": "expected numbers [tiles, 2]; write it anew",
    "labels": "expected one number a tile; write it anew",
}
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
            found = _open_values(file, path)
            coords = _open_each(file, path, "coords", found)
            labels = _open_each(file, path, "labels", found)
            features = _read_values(found)
            read = FeatureFile(
                features,
                None if coords is None else np.asarray(coords[()], np.int64).reshape(-1, 2),
                None if coords is None else read_side(coords, alone=True),
                None if labels is None else np.asarray(labels[()], np.uint8),
            )
    except BadInput:
        raise
    except Exception as error:  # Damage makes h5py raise anything.
        raise BadInput(f"{path}: not a feature file ({reason(error)}); {_REMEDY}") from error
    if not np.isfinite(features).all():
        raise BadInput(f"{path}: features are not finite; {_REMEDY}")
    return read


def _open_values(file: h5py.File, path: Path) -> h5py.Dataset:
    """The features, which are not read yet: [N, D] or [1, N, D]."""
    found = find_dataset(file, "features", path)
    if found is None:
        raise BadInput(f"{path}: not a feature file (no 'features'); {_REMEDY}")
    shape: tuple[int, ...] = found.shape or ()
    if not (len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)) or 0 in shape:
        raise BadInput(f"{path}: features have shape {shape}; expected [tiles, D], neither 0")
    if found.dtype.kind not in "fiub":
        raise BadInput(f"{path}: features are {found.dtype}; expected real numbers")
    if found.size > MAX_VALUES or shape[-2] > MAX_TILES:
        raise BadInput(
            f"{path}: claims {found.size:,} values of {shape[-2]:,} tiles; expected at most "
            f"{MAX_VALUES:,} of {MAX_TILES:,}; {_REMEDY}"
        )
    check_stored(found, path, _MAX_BYTES)
    return found


def _open_each(
    file: h5py.File, path: Path, name: str, features: h5py.Dataset
) -> h5py.Dataset | None:
    """Coordinates or labels, one for each of the features, which are not read yet."""
    found = find_dataset(file, name, path)
    if found is None:
        return None
    shape: tuple[int, ...] = found.shape or ()
    num_tiles, inner = features.shape[-2], (2,) if name == "coords" else ()
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if found.dtype.kind not in "fiub" or len(shape) != 1 + len(inner) or shape[1:] != inner:
        raise BadInput(f"{path}: {name} are {found.dtype} {list(shape)}; {_EACH[name]}")
    if shape[0] != num_tiles:
        raise BadInput(f"{path}: {shape[0]} {name} of {num_tiles} tiles; write it anew")
    check_stored(found, path, _MAX_BYTES)
    return found


def _read_values(found: h5py.Dataset) -> npt.NDArray[np.float32]:
    num_tiles, width = found.shape[-2:]
    values = np.empty((num_tiles, width), np.float32)
    # whole chunks, for each would be unpacked anew
    in_chunk = found.chunks[-2] if found.chunks else 1
    step = in_chunk * max(1, _BLOCK // max(1, width * in_chunk))
    for start in range(0, num_tiles, step):
        rows = slice(start, start + step)
        values[rows] = found[rows] if found.ndim == 2 else found[0, rows]
    return values


def _log_odds(probabilities: torch.Tensor) -> torch.Tensor:
    return torch.logit(probabilities, eps=SMALLEST)
