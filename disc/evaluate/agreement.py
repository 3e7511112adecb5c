"""Mask agreement: how well generated tiles follow their target masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.evaluate.bootstrap import Array, cluster_bootstrap, mean_interval
from disc.labels import NUM_LABELS, Label

COLUMNS = ["variant", "kind", "value", "low", "high", "tiles", "slides"]
RECALLS = [f"recall_{label.name}" for label in Label]
FRACTIONS = [f"fraction_{label.name}" for label in Label]
"""Columns of agreement.parquet: the fraction of the tile that a label of the target mask covers."""
MIN_FRACTION = 0.05
"""Smaller regions enter no primary measure: no network reads them, real tiles included."""
PRIMARY, AGREEMENT, ACCURACY = "primary", "agreement", "accuracy"
"""Measures of a tile: mean recall over the labels that cover at least 5 % of it; mean recall over
all labels of its mask; pixel accuracy. All are blind to blur: see `disc.evaluate.kernel_distance`.
"""
MULTI_CLASS, SYNTHESIS, SINGLE_CLASS = "multi-class", "synthesis", "single-class"
KINDS = (MULTI_CLASS, SYNTHESIS, SINGLE_CLASS)
"""Masks of several labels in test slides' shapes; of several, as synthesis asks for; of one."""
TEST = "test slides"
"""Column `masks` of agreement.parquet: this or `SYNTHESIS`, what a mask was drawn for."""
CHANCE = "chance"
"""Tiles that `sd` made, each read against the mask of another of its kind."""
REFERENCES = ("real", "reconstruction", "collage", CHANCE)
"""Real tiles, they through the autoencoder, real single-class ones joined by the masks, chance."""


def recalls(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """Recall: the fraction of each label's pixels that are predicted as that label.

    Args:
        truth: target masks, [N, H, W]; pixels of 255 do not count.
        predicted: labels predicted by the referee, [N, H, W].

    Returns:
        [N, 4], NaN where a label is not in the target mask.

    >>> recalls(np.array([[[0, 0, 1]]], np.uint8), np.array([[[0, 1, 1]]], np.uint8))
    array([[0.5, 1. , nan, nan]])
    """
    result = np.full((len(truth), NUM_LABELS), np.nan)
    for label in Label:
        # |T = k and P = k| / |T = k| over H, W, [N]
        target = (truth == label).sum(axis=(1, 2))
        found = ((truth == label) & (predicted == label)).sum(axis=(1, 2))
        np.divide(found, target, out=result[:, label], where=target > 0)
    return result


def label_fractions(truth: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Fraction of the tile that each label covers, [N, 4], of masks [N, H, W]."""
    return np.stack([(truth == label).mean(axis=(1, 2)) for label in Label], axis=1)


def pixel_accuracy(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """Fraction of the pixels asked for that were read so, [N]; pixels of 255 do not count.

    >>> truth = np.array([[[0, 0], [1, 255]]], np.uint8)
    >>> pixel_accuracy(truth, np.zeros_like(truth)).round(3).tolist()
    [0.667]
    """
    target = truth < NUM_LABELS
    right = (target & (truth == predicted)).sum(axis=(1, 2))
    result = np.full(len(truth), np.nan)
    np.divide(right, target.sum(axis=(1, 2)), out=result, where=target.any(axis=(1, 2)))
    return result


def mean_recall(
    recall: npt.NDArray[np.float64],
    fraction: npt.NDArray[np.float64],
    min_fraction: float = MIN_FRACTION,
) -> npt.NDArray[np.float64]:
    """Mean recall of a tile over the labels that cover enough of it; the primary measure.

    Args:
        recall: [N, 4], NaN where a label was not asked for.
        fraction: of the tile that each label covers, [N, 4].
        min_fraction: labels that cover less are left out; 0: the mean over all labels asked for.

    Returns:
        [N], NaN where no label covers enough.

    >>> recall = np.array([[0.8, 0.6, 0.0, np.nan]])
    >>> mean_recall(recall, np.array([[0.5, 0.47, 0.03, 0.0]])).round(3).tolist()
    [0.7]
    """
    counts = (fraction >= min_fraction) & np.isfinite(recall)
    # mean over k of recall_k where fraction_k >= min_fraction: [N, 4] -> [N]
    total = np.where(counts, recall, 0).sum(axis=1)
    result = np.full(len(recall), np.nan)
    np.divide(total, counts.sum(axis=1), out=result, where=counts.any(axis=1))
    return result


def primary_measure(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """The primary measure of tiles asked for and read, [N], of masks [N, H, W]."""
    return mean_recall(recalls(truth, predicted), label_fractions(truth))


def kinds_of(masks: npt.ArrayLike, num_labels: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """The kind of each mask, [N], by what it was drawn for and how many labels it has."""
    drawn, labels = np.asarray(masks), np.asarray(num_labels)
    return np.select([drawn == SYNTHESIS, labels == 1], [SYNTHESIS, SINGLE_CLASS], MULTI_CLASS)


def measure_tiles(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]
) -> dict[str, npt.NDArray[np.float64]]:
    """Columns of agreement.parquet of tiles asked for and read, each [N].

    Args:
        truth: asked masks, [N, H, W].
        predicted: labels as the referee reads them, [N, H, W].

    Returns:
        Recall and fraction of each label, and pixel accuracy.
    """
    columns = dict(zip(RECALLS, recalls(truth, predicted).T, strict=True))
    columns |= dict(zip(FRACTIONS, label_fractions(truth).T, strict=True))
    return {**columns, ACCURACY: pixel_accuracy(truth, predicted)}


def tile_agreement(table: pd.DataFrame) -> pd.Series:
    """Mean recall over the labels of the target mask, one number a row of the agreement table."""
    return table[RECALLS].mean(axis=1)


def agreement_table(
    table: pd.DataFrame, measure: str = PRIMARY, *, draws: int, seed: int
) -> pd.DataFrame:
    """Mask agreement of each variant and kind of mask, with intervals clustered by source slide.

    Tiles without a value (no label covers enough of them) are left out; `tiles` counts the others.

    Args:
        table: agreement.parquet.
        measure: of a tile: "primary", "agreement" or "accuracy".
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        variant, kind (one of `KINDS`), value, low, high, tiles, slides.
    """
    tiles = _by_tile(table)
    _require(tiles, measure)
    parts = tiles.dropna(subset=measure).groupby(["variant", "kind"], sort=False)
    rows = [
        {"variant": variant, "kind": kind, **_mean(part, measure, draws, seed)}
        for (variant, kind), part in parts
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def difference_table(
    table: pd.DataFrame,
    base: str = "sd",
    measure: str = PRIMARY,
    *,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Difference of each variant's agreement to the base's, paired by tile (same mask and noise).

    Only tiles that both have are compared; `tiles` counts them.

    Args:
        table: agreement.parquet.
        base: the variant that others are compared to.
        measure: of a tile: "primary", "agreement" or "accuracy".
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        variant, kind, value, low, high, tiles, slides.
    """
    tiles = _by_tile(table)
    _require(tiles, measure)
    reference = tiles[tiles["variant"] == base].set_index("tile")[measure]
    rows = []
    for (variant, kind), part in tiles[tiles["variant"] != base].groupby(
        ["variant", "kind"], sort=False
    ):
        pairs = part.assign(difference=part[measure] - part["tile"].map(reference))
        pairs = pairs.dropna(subset="difference")
        if len(pairs):
            rows.append(
                {"variant": variant, "kind": kind, **_mean(pairs, "difference", draws, seed)}
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def share_table(
    table: pd.DataFrame, start: str = "sd", end: str = "sd-sc", *, draws: int, seed: int
) -> pd.DataFrame:
    """How much of the way from one variant, or reference, to another each variant comes.

    A ratio of two mean differences over the same masks, with an interval over resampled source
    slides; undefined (NaN) where the end is not above the start beyond chance.

    Returns:
        variant, kind, value (0: as the start, 1: as the end), low, high, tiles, slides.
    """
    rows = []
    tiles = _by_tile(table)
    _require(tiles, PRIMARY)
    for kind, part in tiles.groupby("kind", sort=False):
        wide = part.pivot(index=["tile", "source_slide"], columns="variant", values=PRIMARY)
        for variant in wide.columns.difference([start, end, *REFERENCES], sort=False):
            if {start, end} <= set(wide.columns):
                pairs = wide[[start, end, variant]].dropna()
                gains = pairs[[variant, end]].sub(pairs[start], axis=0)
                rows.append({"variant": variant, "kind": kind, **_ratio(gains, draws, seed)})
    return pd.DataFrame(rows, columns=COLUMNS)


def label_table(table: pd.DataFrame, *, draws: int, seed: int) -> pd.DataFrame:
    """Mean recall of each label over the tiles whose target mask has it.

    Returns:
        variant, kind, label ("NC".."GG5"), value, low, high, tiles, slides.
    """
    tiles = _by_tile(table)
    rows = []
    for (variant, kind), part in tiles.groupby(["variant", "kind"], sort=False):
        for label, column in zip(Label, RECALLS, strict=True):
            target = part.dropna(subset=column)
            names = {"variant": variant, "kind": kind, "label": label.name}
            rows.append({**names, **_mean(target, column, draws, seed)})
    return pd.DataFrame(rows, columns=[*COLUMNS[:2], "label", *COLUMNS[2:]])


def _by_tile(table: pd.DataFrame) -> pd.DataFrame:
    """One row per (variant, tile), averaged over seeds, with its measures and kind."""
    for column in ("plan", "solver"):
        mixed = table.groupby("variant")[column].nunique()
        if (mixed > 1).any():
            raise ValueError(
                f"'{mixed.idxmax()}' comes with several values of '{column}'; choose one first"
            )
    # tables of before have recalls only, of masks of test slides
    table = table if "masks" in table else table.assign(masks=TEST)
    keys = ["variant", "tile", "source_slide", "masks"]
    columns = [name for name in (*RECALLS, *FRACTIONS, ACCURACY) if name in table]
    tiles = table.groupby(keys, sort=False, as_index=False)[columns].mean()
    kind = kinds_of(tiles["masks"], tiles[RECALLS].notna().sum(axis=1))
    tiles = tiles.assign(kind=kind, **{AGREEMENT: tile_agreement(tiles)})
    if not set(FRACTIONS) <= set(tiles):
        return tiles
    values = mean_recall(tiles[RECALLS].to_numpy(), tiles[FRACTIONS].to_numpy())
    return tiles.assign(**{PRIMARY: values})


def _require(tiles: pd.DataFrame, measure: str) -> None:
    if measure not in tiles:
        raise ValueError(
            f"the table of agreement has no measure '{measure}': it was made before there was one; "
            "run the stage 'agreement' again"
        )


def _ratio(gains: pd.DataFrame, draws: int, seed: int) -> dict[str, float]:
    """Mean of the first column over that of the second, rows clustered by source slide."""
    sums = gains.groupby(level="source_slide").sum().to_numpy()

    def ratio(weights: Array) -> Array:
        kept, whole = (weights @ sums).T
        return np.stack([kept / np.where(whole > 0, whole, np.nan), whole], axis=1)

    found = cluster_bootstrap(ratio, len(sums), draws=draws, seed=seed)
    value, low, high = np.where(found[1][1] > 0, [part[0] for part in found], np.nan)
    return {
        "value": float(value),
        "low": float(low),
        "high": float(high),
        "tiles": len(gains),
        "slides": len(sums),
    }


def _mean(part: pd.DataFrame, column: str, draws: int, seed: int) -> dict[str, float]:
    found = mean_interval(part[column], part["source_slide"], draws=draws, seed=seed)
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "tiles": found.n,
        "slides": found.clusters,
    }
