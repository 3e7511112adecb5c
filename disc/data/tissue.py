"""Tissue on glass, by its colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import disk, remove_small_holes, remove_small_objects

from disc.data.images import Pixels

UM_PER_PX = 8.0
"""Resolution at which tissue is looked for."""
_BLUR_UM = 16.0
_CLOSE_UM = 32.0
_LEAST_UM2 = 10_000.0
"""Smaller pieces are dust, smaller holes are lumina."""
_LEAST_SATURATION = 5.0
"""Of 255. Below it is what compression makes of white."""


def find_tissue(image: Pixels, um_per_px: float = UM_PER_PX) -> npt.NDArray[np.bool_]:
    """Where there is tissue: bool [H, W].

    Blurred saturation above half of Otsu's threshold (pale stroma lies below the threshold
    itself), gaps closed, small pieces and holes removed; the steps of CLAM.

    Args:
        image: overview, uint8 [H, W, 3].
        um_per_px: its resolution.

    Paper: Sec. 3 (tissue detection of CLAM).
    Differs from paper: Gaussian blur for a median and half of Otsu's threshold for a fixed one,
        because on biopsies that keeps pale stroma and lumina.
    """
    high, low = image.max(-1).astype(np.float32), image.min(-1).astype(np.float32)
    saturation = 255 * (high - low) / np.maximum(high, 1)
    smooth = ndimage.gaussian_filter(saturation, _BLUR_UM / um_per_px)
    if smooth.max() <= _LEAST_SATURATION:
        return np.zeros(smooth.shape, np.bool_)
    coloured = smooth > max(threshold_otsu(smooth) / 2, _LEAST_SATURATION)
    radius = max(1, round(_CLOSE_UM / um_per_px))
    # Padding, for closing erodes what touches the border.
    closed = ndimage.binary_closing(np.pad(coloured, radius), disk(radius))
    inner = closed[radius:-radius, radius:-radius]
    least = round(_LEAST_UM2 / um_per_px**2)
    solid = remove_small_holes(inner, max_size=least)
    tissue: npt.NDArray[np.bool_] = remove_small_objects(solid, max_size=least)
    return tissue
