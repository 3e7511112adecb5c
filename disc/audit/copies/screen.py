"""Copies taken out of a synthetic set, by the thresholds that an audit calls copies by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from disc.audit.copies.detector import MIN_NULL, calibrate
from disc.audit.sets import shrink
from disc.data.pixels.images import Pixels, read_image
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput, write_bytes

RECORD = "copies.csv"
"""In the set: what was taken out, and why."""
COLUMNS = ("tile", "like", "whole", "window")


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
    dropped = frozenset(pd.read_csv(record, dtype={"tile": str})["tile"])
    for name in sorted(dropped):
        for path in (root / "images" / f"{name}.jpg", root / "masks" / f"{name}.png"):
            path.unlink(missing_ok=True)
    return dropped


def _find(root: Path, training: TileSet, seed: int) -> pd.DataFrame:
    """The copies, one a row."""
    patients = [training.slides[tile.slide_id].patient_id for tile in training.tiles]
    if len(training) < MIN_NULL or len(set(patients)) < 2:
        raise BadInput(
            f"--drop-copies: {len(training)} training tiles of {len(set(patients))} patient(s); "
            f"calibrated on {MIN_NULL} or more of 2 or more; leave it out"
        )
    real = _small([training.image(i) for i in range(len(training))])
    paths = sorted((root / "images").glob("[!.]*.jpg"))
    made = _small([read_image(path, training.tile_px) for path in paths])
    detector = calibrate(real, patients, made, seed=seed)
    if not detector.is_able:
        power = detector.power["flipped"]
        raise BadInput(
            f"--drop-copies: only {power.found} of {power.of} planted copies are found among the "
            "training tiles, so nothing can be told; leave it out"
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


def _small(images: list[Pixels]) -> Pixels:
    stack = np.stack(images)
    return shrink(stack, stack[..., 0])[0]
