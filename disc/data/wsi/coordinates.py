"""Places of tiles as HDF5, as CLAM and TRIDENT write and read them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from disc.files import BadInput
from disc.records.hdf5 import MAX_PLACE, check_stored, find_dataset, read_side

SUFFIX = "_patches"
"""What TRIDENT puts behind a slide's name; CLAM puts nothing."""
MAX_PLACES = 5_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Coordinates:
    """Squares on a slide."""

    slide: str
    """Name of the slide, without suffix."""
    xy: npt.NDArray[np.int64]
    """Their top-left corners in level-0 pixels [N, 2]."""
    side: float
    """Their side in level-0 pixels."""


def read_coordinates(path: Path) -> Coordinates:
    """Squares that CLAM, TRIDENT or `disc tile` listed; a file of features with `coords` does too.

    The file is foreign, so nothing outside of it is followed and nothing enormous is read.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it is damaged, or holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of coordinates")
    try:
        with h5py.File(path, "r") as file:
            dataset = _dataset(file, path)
            xy, side = np.asarray(dataset[()], np.int64), _side(dataset, path)
    except BadInput:
        raise
    except Exception as error:  # a damaged file surfaces as almost any kind of error
        raise BadInput(
            f"{path}: not readable as HDF5 coordinates ({error}); replace the file"
        ) from error
    if xy.size and (xy.min() < 0 or xy.max() > MAX_PLACE):
        raise BadInput(
            f"{path}: places from {xy.min()} to {xy.max()}; expected level-0 pixels of a slide"
        )
    return Coordinates(slide=path.stem.removesuffix(SUFFIX), xy=xy, side=side)


def _dataset(file: h5py.File, path: Path) -> h5py.Dataset:
    found = find_dataset(file, "coords", path)
    if found is None:
        raise BadInput(f"{path}: has no 'coords'; expected a file of CLAM or TRIDENT")
    if found.dtype.kind not in "iu" or found.ndim != 2 or found.shape[1] != 2:
        raise BadInput(
            f"{path}: 'coords' is {found.dtype} {list(found.shape)}; expected integers [N, 2]"
        )
    if len(found) > MAX_PLACES:
        raise BadInput(
            f"{path}: claims {len(found):,} places; expected at most {MAX_PLACES:,} of a slide"
        )
    check_stored(found, path, 2 * MAX_PLACES * found.dtype.itemsize)
    return found


def _side(dataset: h5py.Dataset, path: Path) -> float:
    side = read_side(dataset)
    if side is None:
        raise BadInput(
            f"{path}: 'coords' does not say how wide its squares are; expected the attributes "
            "patch_size_level0 (TRIDENT), or patch_size with patch_level and downsample (CLAM)"
        )
    return side


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What a file of coordinates says beside the places."""

    slide: str
    """Name of the slide, without suffix."""
    size: tuple[int, int]
    """Width and height at level 0."""
    um_per_px: float
    """At level 0."""
    level: int
    """Pyramid level that is read for a tile."""
    downsample: float
    """Level-0 pixels per pixel of that level."""
    level_size: tuple[int, int]
    """Width and height of that level."""
    side: float
    """Side of a tile in level-0 pixels."""
    overlap: float
    """Fraction of a side that neighbours have in common."""


def encode_coordinates(xy: npt.NDArray[np.int64] | Sequence[tuple[int, int]], grid: Grid) -> bytes:
    """A file that tools of CLAM and of TRIDENT read, each by its own attributes.

    Both read the same squares: `patch_size` is in pixels of `patch_level` for CLAM and at
    `target_magnification` for TRIDENT, so the target is the magnification of that level.
    Magnification is nominal: 10 µm over the width of a pixel, rounded to 5x.

    Args:
        xy: corners in level-0 pixels [N, 2].
        grid: what they lie on.
    """
    places = np.asarray(xy, np.int64).reshape(-1, 2)
    scanned = max(5, 5 * round(2 / grid.um_per_px))
    patch = max(1, round(grid.side / grid.downsample))
    level_size = np.asarray(grid.level_size, np.int64)
    attributes: dict[str, Any] = {
        "patch_size": patch,
        "patch_level": grid.level,
        "downsample": np.full(2, grid.downsample),
        "downsampled_level_dim": level_size,
        "level_dim": level_size,
        "name": grid.slide,
        "save_path": ".",
        "patch_size_level0": round(grid.side),
        "level0_magnification": scanned,
        "target_magnification": _whole(scanned / grid.downsample),
        "overlap": round(patch * grid.overlap),
        "savetodir": ".",
        "level0_width": grid.size[0],
        "level0_height": grid.size[1],
    }
    memory = io.BytesIO()
    with h5py.File(memory, "w", track_order=True) as file:
        dataset = file.create_dataset("coords", data=places)
        for name, value in attributes.items():
            dataset.attrs[name] = value
    return memory.getvalue()


def _whole(number: float) -> int | float:
    return round(number) if abs(number - round(number)) < 0.01 else number
