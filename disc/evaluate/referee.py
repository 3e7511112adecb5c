"""The referee: a segmenter trained apart from everything judged, which re-reads tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from disc.evaluate.agreement import MIN_FRACTION
from disc.grade.augment import Augment
from disc.grade.carcino import CarcinoNet, PixelNet
from disc.grade.pixels import CHUNK, read_chunks, stack_chunk, train_pixel_grader
from disc.grade.pool import Tiles
from disc.labels import Label
from disc.settings.evaluation import Evaluate

MIN_READ = 0.5
"""Mean recall of a label in real tiles; a referee that reads less hardly knows it."""
MOST_LOST = 0.1
"""Mean recall of a label that real tiles may lose by the autoencoder, and none is told of."""
LEAST_LOST = 5
"""Tiles with a label without which nobody is told that it is lost."""
AUGMENT = Augment(stain=0.12, blur=0.7)
"""Generated tiles are a little softer, and their stain wanders; the referee must not mind."""


def train_referee(settings: Evaluate, tiles: Tiles, folder: Path, seed: int) -> CarcinoNet:
    """Train the referee on tiles that no generator and no grader sees.

    Args:
        settings: its sizes and optimisation.
        tiles: with exact masks where there are any.
        folder: of checkpoint and log.
        seed: of weights and batches.
    """
    referee = train_pixel_grader(
        net=settings.referee,
        real=tiles,
        synthetic=None,
        balance_weight=0,
        folder=folder,
        seed=seed,
        augment=AUGMENT,
    )
    assert isinstance(referee, CarcinoNet)
    return referee


def find_unread(agreement: pd.DataFrame) -> dict[str, float]:
    """Labels that the referee hardly reads in real tiles, and its mean recall of each.

    A low reading of such a label in generated tiles may be the referee's own fault.

    Args:
        agreement: agreement.parquet; its rows of variant "real" count.
    """
    means = _mean_recalls(agreement, "real")
    return {name: value for name, value in means.items() if value < MIN_READ}


def find_lost(agreement: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Labels that the autoencoder loses: mean recall through it, and in the tiles themselves.

    A decoder tuned against a discriminator, or trained for too short a time, keeps texture in
    general and may lose a rare pattern all the same.

    Args:
        agreement: agreement.parquet; its rows of variants "real" and "reconstruction" count.
    """
    kinds = ("reconstruction", "real")
    through, own = (_mean_recalls(agreement, name, LEAST_LOST) for name in kinds)
    pairs = {name: (through[name], value) for name, value in own.items()}
    return {name: pair for name, pair in pairs.items() if pair[1] - pair[0] > MOST_LOST}


def _mean_recalls(agreement: pd.DataFrame, variant: str, least: int = 1) -> dict[str, float]:
    """By label, over tiles of which it covers enough; NaN where these are fewer than `least`."""
    rows = agreement[agreement["variant"] == variant]
    enough = {one.name: rows[f"fraction_{one.name}"] >= MIN_FRACTION for one in Label}
    return {
        name: float(rows[f"recall_{name}"][kept].mean()) if kept.sum() >= least else float("nan")
        for name, kept in enough.items()
    }


def read_tiles(net: PixelNet, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Labels of tiles, uint8 [N, H, W], as the referee reads them in uint8 [N, H, W, 3]."""
    chunks = [chunk.argmax(axis=1) for chunk in read_chunks(net, iter(images))]
    labels: npt.NDArray[np.uint8] = np.concatenate(chunks).astype(np.uint8)
    return labels


@torch.no_grad()
def referee_features(net: CarcinoNet, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """What the referee sees halfway: texture, before it is put together to labels.

    Args:
        net: the referee.
        images: tiles uint8 [N, H, W, 3], at least one.

    Returns:
        float64 [N, D]: the mean over all positions of the channels of its two middle stages (of
        four: those at a quarter and an eighth of the resolution). A tile's features do not depend
        on the others.
    """
    device, parts = next(net.parameters()).device, []
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        # always as many together, as in reading
        stages = net.eval().encode(stack_chunk(list(chunk), device))[1:]
        pooled = [stage.mean(dim=(2, 3)) for stage in stages[_middle(len(stages))]]
        parts.append(torch.cat(pooled, dim=1)[: len(chunk)].double().cpu().numpy())
    return np.concatenate(parts)


def _middle(num: int) -> slice:
    return slice(max(0, num // 2 - 1), num // 2 + 1)
