"""What mask agreement is blind to: nearness to real tiles, texture and seams of generated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.evaluate.agreement import label_fractions
from disc.evaluate.bootstrap import Array
from disc.evaluate.gradients import gradient_energy, seam_ratio
from disc.evaluate.kernel_distance import FeatureSet, kernel_distances, match_labels, standardise
from disc.labels import Label

ENERGIES = [f"energy_{label.name}" for label in Label]
CHUNK = 32
"""Tiles whose gradients are held together."""


@dataclass(frozen=True, eq=False)
class Gallery:
    """Some tiles, and what is needed to compare them with others.

    Attributes:
        images: uint8 [N, H, W, 3].
        masks: uint8 [N, H, W], asked for, or annotated.
        slides: of each tile, [N].
        features: of an evaluation network, float64 [N, D].
    """

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    slides: Sequence[str]
    features: Array

    def take(self, indices: npt.NDArray[np.int64]) -> Gallery:
        """Some of them."""
        slides = [self.slides[i] for i in indices]
        return Gallery(self.images[indices], self.masks[indices], slides, self.features[indices])


def quality_table(
    generated: Mapping[str, Gallery],
    real: Mapping[str, Gallery],
    *,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Kernel distance to real tiles of matched labels, gradient energy and seams of each gallery.

    Each asked mask is matched with the real tile whose label fractions are nearest, one to one;
    only matched tiles enter the distance. Features are standardised by the first real gallery.

    Args:
        generated: by variant, all from the same masks.
        real: the same real tiles in several views, "real" and "reconstruction" for example.
        draws: of the bootstrap over slides.
        seed: of the bootstrap.

    Returns:
        One row a variant: variant, for every real view kid_VIEW with _low and _high and
        kid_VIEW_gain (the difference to the first variant) with its interval, energy_NC ..
        energy_GG5 (NaN where no pixel has the label), seam, matched (pairs), mismatch (fraction of
        a tile in which the labels of a pair differ). Then a row for each real view, without
        distances.
    """
    first, reference = next(iter(generated.values())), next(iter(real.values()))
    rows, columns, mismatch = match_labels(
        label_fractions(first.masks), label_fractions(reference.masks)
    )
    table = pd.DataFrame({"variant": list(generated), "matched": len(rows), "mismatch": mismatch})
    for view, gallery in real.items():
        sets = {name: _features(part.take(rows), reference) for name, part in generated.items()}
        target = _features(gallery.take(columns), reference)
        found = kernel_distances(sets, target, draws=draws, seed=seed)
        names = ("", "_low", "_high", "_gain", "_gain_low", "_gain_high")
        values = (found.value, found.low, found.high, found.gain, found.gain_low, found.gain_high)
        table = table.assign(
            **{f"kid_{view}{name}": value for name, value in zip(names, values, strict=True)}
        )
    textures = [_describe(name, gallery) for name, gallery in (*generated.items(), *real.items())]
    return pd.DataFrame(textures).merge(table, on="variant", how="left")


def _features(gallery: Gallery, reference: Gallery) -> FeatureSet:
    return FeatureSet(standardise(gallery.features, reference.features), gallery.slides)


def _describe(name: str, gallery: Gallery) -> dict[str, object]:
    """Texture over all pixels of a label; the mean of the seams of masks that have a border."""
    sums, counts, seams = np.zeros(len(Label)), np.zeros(len(Label)), np.empty(0)
    for start in range(0, len(gallery.images), CHUNK):
        part = gallery.images[start : start + CHUNK], gallery.masks[start : start + CHUNK]
        energy, pixels = gradient_energy(*part)
        sums, counts = sums + energy.sum(axis=0), counts + pixels.sum(axis=0)
        seams = np.append(seams, seam_ratio(*part))
    energies = np.full(len(Label), np.nan)
    np.divide(sums, counts, out=energies, where=counts > 0)
    seam = float(seams[np.isfinite(seams)].mean()) if np.isfinite(seams).any() else np.nan
    return {"variant": name, **dict(zip(ENERGIES, energies.tolist(), strict=True)), "seam": seam}
