"""Copies taken out of a synthetic set, by the thresholds that an audit calls copies by."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.audit.copies.detector import MIN_NULL, calibrate
from disc.audit.sets import shrink
from disc.data.pixels.images import Pixels, read_image
from disc.data.tiles.tile_set import TileSet
from disc.files import MAX_TEXT, BadInput, read_bytes, reason, write_bytes

RECORD = "copies.csv"
"""In the set: what was taken out, and why."""
COLUMNS = ("tile", "like", "whole", "window")
_CHUNK = 64
T = TypeVar("T")


def drop_copies(root: Path, training: TileSet, *, seed: int = 0) -> frozenset[str]:
    """Take tiles that copy a training tile out of a set that is not finished yet.

    What is taken out is recorded first, so that the same command, stopped, takes out the same.

    Args:
        root: of the set, with `images/` and `masks/`.
        training: tiles that the generator was trained on.
        seed: of the calibration.

    Returns:
        Names of the tiles that were taken out.

    Raises:
        BadInput: if there are too few training tiles to calibrate, or planted copies are not found.
    """
    record = root / RECORD
    if not record.exists():
        found = _find(root, training, seed)
        write_bytes(record, found.to_csv(index=False).encode())
    dropped = read_dropped(root)
    for name in sorted(dropped):
        for path in (root / "images" / f"{name}.jpg", root / "masks" / f"{name}.png"):
            path.unlink(missing_ok=True)
    return dropped


def read_dropped(root: Path) -> frozenset[str]:
    """Names of the tiles that were taken out of a set.

    Raises:
        BadInput: if the record of them is damaged.
    """
    path = root / RECORD
    data = read_bytes(path, MAX_TEXT)
    try:
        return frozenset(pd.read_csv(io.BytesIO(data), dtype={"tile": str})["tile"])
    except (ValueError, KeyError) as error:
        remedy = f"delete the folder {root}: its slides are generated again"
        raise BadInput(f"{path}: damaged ({reason(error)}); {remedy}") from error


def _find(root: Path, training: TileSet, seed: int) -> pd.DataFrame:
    """The copies, one a row."""
    patients = [training.slides[tile.slide_id].patient_id for tile in training.tiles]
    if len(training) < MIN_NULL or len(set(patients)) < 2:
        raise BadInput(
            f"--drop-copies: {len(training)} training tiles of {len(set(patients))} patient(s); "
            f"calibrated on {MIN_NULL} or more of 2 or more; leave it out"
        )
    real = read_small(training.image, range(len(training)))
    paths = sorted((root / "images").glob("*_Block_Region_*.jpg"))
    made = read_small(lambda path: read_image(path, training.tile_px), paths)
    detector = calibrate(real, patients, made, seed=seed)
    if detector.doubt:
        raise BadInput(
            f"--drop-copies: {detector.doubt}, so nothing can be told of copies of the training "
            "tiles; leave it out"
        )
    flags, matches = detector.find(made)
    is_whole = matches.whole - detector.whole >= matches.window - detector.window
    like = np.where(is_whole, matches.whole_of, matches.window_of)
    rows = [
        (
            paths[i].stem,
            training.tiles[like[i]].name,
            matches.whole[i].round(3),
            matches.window[i].round(3),
        )
        for i in np.flatnonzero(flags)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class SmallTiles:
    """Tiles of a set at most 128 px wide, uint8 [n, H, H, 3], read when they are asked for."""

    tiles: TileSet

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.tiles)

    def __getitem__(self, places: slice | npt.NDArray[np.int64], /) -> Pixels:
        """Some of them."""
        return read_small(self.tiles.image, np.arange(len(self))[places].tolist())


def read_small(read: Callable[[T], Pixels], tiles: Sequence[T]) -> Pixels:
    """Tiles at most 128 px wide; only a few at a time are held at their full size."""
    parts = []
    for start in range(0, len(tiles), _CHUNK):
        stack = np.stack([read(tile) for tile in tiles[start : start + _CHUNK]])
        parts.append(shrink(stack, stack[..., 0])[0])
    return np.concatenate(parts)
