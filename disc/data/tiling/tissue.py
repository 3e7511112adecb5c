"""Tissue on glass, by its colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import disk

from disc.data.pixels.images import Pixels
from disc.data.tiling.request import TissueRule

T = TypeVar("T", bound=np.generic)

UM_PER_PX = 8.0
"""Resolution at which tissue is looked for."""
_MIN_SATURATION = 5.0
"""Of 255. Below it is what compression makes of white."""
_OTSU_FRACTION = 0.5
"""Of Otsu's threshold: pale stroma lies below the threshold itself."""
_BLACK = 30
"""Of 255. Tissue is lighter; glass that a scanner left black is not."""
_INK, _DARK = 24, 100
"""Differences of channels in ink, and red in dark ink, of 255."""
_TINGE, _NAVY = 3, 72
"""How much more green than red, and red itself, there is in dark blue ink."""
_MIN_STROKE_UM2 = 20_000
_RIM_UM = 24
_ENDLESS = 1e12
_STRIP = 256
"""Rows that are worked on at once where each pixel is by itself."""

_BIOPSY = TissueRule(
    blur="gaussian",
    blur_um=16,
    saturation=0,
    close_um=64,
    min_um2=10_000,
    min_hole_um2=10_000,
    max_holes=1000,
)
PRESETS = {
    "biopsy": _BIOPSY,
    "resection": replace(
        _BIOPSY, close_um=128, min_um2=1_600_000, min_hole_um2=260_000, max_holes=8
    ),
    "clam-biopsy": TissueRule(
        blur="median",
        blur_um=176,
        saturation=15,
        close_um=32,
        min_um2=16_384,
        min_hole_um2=16_384,
        max_holes=2,
    ),
    "clam-resection": TissueRule(
        blur="median",
        blur_um=176,
        saturation=15,
        close_um=64,
        min_um2=1_638_400,
        min_hole_um2=262_144,
        max_holes=8,
    ),
}
"""The rules by name. CLAM's are its bwh_biopsy and bwh_resection: it counts in pixels 64 times as
wide as a scan's of 0.25 µm, and in areas of 512 x 512 of the scan's."""


def complete_rule(rule: TissueRule) -> TissueRule:
    """The rule with its preset's numbers where it has none."""
    said = {name: value for name, value in vars(rule).items() if value is not None}
    return replace(PRESETS[rule.preset], **said)


def find_tissue(
    image: Pixels, um_per_px: float = UM_PER_PX, rule: TissueRule | None = None
) -> npt.NDArray[np.bool_]:
    """Where there is tissue: bool [H, W].

    The steps of CLAM: saturation, blurred, above a threshold, gaps closed, pieces and holes judged
    by their areas.

    Args:
        image: overview, uint8 [H, W, 3].
        um_per_px: its resolution.
        rule: the numbers; None: the preset for biopsies.

    Paper: Sec. 3 (tissue detection of CLAM).
    Differs from paper: by default, Gaussian blur for a median and half of Otsu's threshold for a
        fixed one, because on biopsies that keeps pale stroma and lumina; the presets clam-biopsy
        and clam-resection are CLAM's.
    """
    rule = complete_rule(rule or TissueRule())
    smooth = _blur(_saturation_of(image, rule, um_per_px), rule, um_per_px)
    if smooth.max() <= _MIN_SATURATION:
        return np.zeros(smooth.shape, np.bool_)
    threshold = rule.saturation or threshold_otsu(smooth) * _OTSU_FRACTION
    coloured = smooth > max(threshold, _MIN_SATURATION)
    del smooth  # an overview may have 10^8 pixels
    pieces = _drop_small(
        _close(coloured, rule.close_um or 0, um_per_px), _area(rule.min_um2, um_per_px)
    )
    return _fill(pieces, _area(rule.min_hole_um2, um_per_px), rule.max_holes or 0)


def find_pen(image: Pixels, um_per_px: float = UM_PER_PX) -> npt.NDArray[np.bool_]:
    """Where there are strokes of a blue, green or black pen: bool [H, W].

    Haematoxylin and eosin take away green most: where green is more than red (in dark blue, by a
    little), or blue far more than a dark red, it is ink. Black ink is dark without a colour.

    Args:
        image: overview, uint8 [H, W, 3].
        um_per_px: its resolution.
    """
    is_ink: npt.NDArray[np.bool_] = _by_strips(image, _find_ink, np.bool_)
    if not is_ink.any():
        return is_ink
    strokes = _drop_small(
        ndimage.binary_opening(is_ink, np.ones((2, 2))), _area(_MIN_STROKE_UM2, um_per_px)
    )
    # The rim of a stroke is a mixture with glass.
    wide: npt.NDArray[np.bool_] = ndimage.binary_dilation(
        strokes, disk(max(1, round(_RIM_UM / um_per_px)))
    )
    return wide


def _find_ink(image: Pixels) -> npt.NDArray[np.bool_]:
    red, green, blue = (image[..., channel].astype(np.int16) for channel in range(3))
    colour = image.max(-1).astype(np.int16) - image.min(-1)
    is_ink: npt.NDArray[np.bool_] = (green - red > _INK) & (colour > 3 * _INK // 2)
    is_ink |= (blue - red > 4 * _INK) & (red < _DARK)
    is_ink |= (green - red > _TINGE) & (blue - green > 2 * _INK) & (red < _NAVY)
    is_ink |= (image.max(-1) < _DARK) & (colour < _INK)
    return is_ink


def find_black(image: Pixels) -> npt.NDArray[np.bool_]:
    """Glass that a scanner left black: bool [H, W] of an image uint8 [H, W, 3]."""
    black: npt.NDArray[np.bool_] = image.max(-1) < _BLACK
    return black


def _by_strips(image: Pixels, work: Callable[[Pixels], npt.NDArray[T]], kind: type[T]) -> Any:
    """What some work makes of each pixel, with room for that of some rows alone: `kind` [H, W]."""
    found = np.empty(image.shape[:2], kind)
    for top in range(0, len(image), _STRIP):
        found[top : top + _STRIP] = work(image[top : top + _STRIP])
    return found


def _saturation_of(image: Pixels, rule: TissueRule, um_per_px: float) -> npt.NDArray[np.float32]:
    saturation: npt.NDArray[np.float32] = _by_strips(image, _saturation, np.float32)
    if not rule.keep_pen:
        saturation[find_pen(image, um_per_px)] = 0
    return saturation


def _saturation(image: Pixels) -> npt.NDArray[np.float32]:
    high, low = image.max(-1).astype(np.float32), image.min(-1).astype(np.float32)
    saturation: npt.NDArray[np.float32] = 255 * (high - low) / np.maximum(high, 1)
    # Of what is next to black, noise alone makes a colour.
    saturation[find_black(image)] = 0
    return saturation


def _drop_small(pieces: npt.NDArray[np.bool_], max_px: int) -> npt.NDArray[np.bool_]:
    """What is larger than so many pixels, whose sides touch: scikit-image's in less memory."""
    labels, number = ndimage.label(pieces)
    is_kept = _count(labels, number) > max_px
    is_kept[0] = False
    large: npt.NDArray[np.bool_] = is_kept[labels]
    return large


def _count(labels: npt.NDArray[np.int32], number: int) -> npt.NDArray[np.int64]:
    """Pixels of each label, 0 and the last one included."""
    counts = np.zeros(number + 1, np.int64)
    for top in range(0, len(labels), _STRIP):  # bincount copies what it counts
        np.add.at(counts, *np.unique(labels[top : top + _STRIP], return_counts=True))
    return counts


def _blur(
    saturation: npt.NDArray[np.float32], rule: TissueRule, um_per_px: float
) -> npt.NDArray[np.float32]:
    width = (rule.blur_um or 0) / um_per_px
    if rule.blur == "gaussian":
        smooth = ndimage.gaussian_filter(saturation, width)
    else:
        smooth = ndimage.median_filter(saturation.round().astype(np.uint8), max(1, round(width)))
    return np.asarray(smooth, np.float32)


def _close(
    coloured: npt.NDArray[np.bool_], across_um: float, um_per_px: float
) -> npt.NDArray[np.bool_]:
    radius = round(across_um / 2 / um_per_px)
    if radius < 1:
        return coloured
    # Padding, for closing erodes what touches the border.
    closed = ndimage.binary_closing(np.pad(coloured, radius), disk(radius))
    inner: npt.NDArray[np.bool_] = closed[radius:-radius, radius:-radius]
    return inner


def _fill(tissue: npt.NDArray[np.bool_], min_px: int, max_holes: int) -> npt.NDArray[np.bool_]:
    """Fill holes but the largest few; glass that reaches the border is no hole."""
    glass, number = ndimage.label(~tissue)
    sizes = _count(glass, number)
    sizes[0] = 0
    border = np.unique(np.concatenate([glass[0], glass[-1], glass[:, 0], glass[:, -1]]))
    is_kept = np.zeros(len(sizes), np.bool_)
    is_kept[border] = True
    holes = np.flatnonzero(~is_kept & (sizes > min_px))
    is_kept[holes[np.argsort(-sizes[holes], kind="stable")[:max_holes]]] = True
    is_kept[0] = False
    filled: npt.NDArray[np.bool_] = ~is_kept[glass]
    return filled


def _area(um2: float | None, um_per_px: float) -> int:
    return round(min(um2 or 0, _ENDLESS) / um_per_px**2)
