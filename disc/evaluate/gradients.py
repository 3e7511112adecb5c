"""Texture: how much neighbouring pixels differ, and which way, by label; borders of a mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.evaluate.bootstrap import Array
from disc.labels import NUM_LABELS, Label

LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green and blue (ITU-R BT.709)."""
BAND_PX = 2
"""Pixels on either side of a border that belong to it: half a latent pixel, in whose steps masks
are fused."""
_DERIVATIVE_PX = 1.0
"""Standard deviation of the Gaussian whose derivative tells the direction of a gradient."""

Pixels = npt.NDArray[np.uint8]


def gradient_energy(images: Pixels, masks: Pixels) -> tuple[Array, Array]:
    """Squared differences of neighbouring grey values, by label: blur lowers them.

    Neighbours are next to each other (a central difference would not see a lattice of period 2) and
    of one label, so that no border between labels counts.

    Args:
        images: tiles uint8 [N, H, W, 3].
        masks: uint8 [N, H, W].

    Returns:
        Sums over the pixels of each label, in squared 8-bit grey levels, and how many pixels these
        are; both [N, 4]. Sums over tiles, divided, give the mean of a set of tiles.
    """
    right, down, inside = _differences(images, masks)
    energy = right**2 + down**2
    counted = [inside & (masks[:, :-1, :-1] == label) for label in Label]
    sums = np.stack([(energy * part).sum(axis=(1, 2)) for part in counted], axis=1)
    return sums, np.stack([part.sum(axis=(1, 2)) for part in counted], axis=1).astype(np.float64)


def gradient_coherence(images: Pixels, masks: Pixels) -> tuple[Array, Array]:
    """How far gradients of grey values run one way within a tile, by label: that of its fibres.

    With the structure tensor J, the sum over a label's pixels of the products of gradients, its
    coherence is the difference of J's eigenvalues over their sum: 1 where all gradients are
    parallel, near 0 where every direction is as frequent (Bigun & Granlund 1987). Of few gradients
    it is never near 0: white noise gives some .3 in 6 x 6 pixels, .09 in 24 x 24, .02 in 128 x 128.

    Args:
        images: tiles uint8 [N, H, W, 3].
        masks: uint8 [N, H, W].

    Returns:
        Differences and sums of the two eigenvalues, in squared 8-bit grey levels, both [N, 4].
    """
    grey = images @ LUMINANCE
    spread = (0, _DERIVATIVE_PX, _DERIVATIVE_PX)
    down, right = (ndimage.gaussian_filter(grey, spread, way) for way in ((0, 1, 0), (0, 0, 1)))
    within = [masks == label for label in Label]
    even, odd, trace = (
        np.stack([(product * part).sum(axis=(1, 2)) for part in within], axis=1)
        for product in (right**2 - down**2, 2 * right * down, right**2 + down**2)
    )
    return np.hypot(even, odd), trace


def seam_ratio(images: Pixels, masks: Pixels, band_px: int = BAND_PX) -> Array:
    """Mean absolute difference of neighbours near borders of the mask over that elsewhere.

    Args:
        images: tiles uint8 [N, H, W, 3].
        masks: uint8 [N, H, W].
        band_px: how far from a border a pixel still counts as near.

    Returns:
        [N]; NaN where a mask has no border, or nothing but border, or the rest is of one colour.
        Around 1 where borders show no seam; real tiles may differ from 1 too.
    """
    right, down, inside = _differences(images, masks)
    strength, known = np.abs(right) + np.abs(down), masks[:, :-1, :-1] < NUM_LABELS
    size = 2 * band_px + 1
    near = np.stack([ndimage.maximum_filter(~part, size=size) for part in inside])
    ratios = [
        _ratio(value[is_near & is_known], value[~is_near & is_known])
        for value, is_near, is_known in zip(strength, near, known, strict=True)
    ]
    return np.array(ratios)


def _differences(images: Pixels, masks: Pixels) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Steps to the right and down of grey values [N, H-1, W-1], and whether all have one label."""
    grey = images @ LUMINANCE
    here = masks[:, :-1, :-1]
    is_inside = (here == masks[:, :-1, 1:]) & (here == masks[:, 1:, :-1])
    start = grey[:, :-1, :-1]
    return grey[:, :-1, 1:] - start, grey[:, 1:, :-1] - start, is_inside


def _ratio(near: Array, elsewhere: Array) -> float:
    if not near.size or not elsewhere.size or not elsewhere.any():
        return float("nan")
    return float(near.mean() / elsewhere.mean())
