"""Boundary artefacts: thin strips of a wrong grade around annotated regions of smoothed masks.

A mask that was smoothed and then rounded to whole grades passes through 4 and 3 on its way from
GG5 to background, so that strips of GG4 and GG3, a few pixels wide, surround the region.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.data.pixels.images import Pixels
from disc.labels import Label

ARTEFACT_PX = 6
"""Max width of an artefact, in pixels."""
Area = npt.NDArray[np.bool_]
_GRADES = (Label.GG3, Label.GG4, Label.GG5)


def clean_artefacts(mask: Pixels, artefact_px: int = ARTEFACT_PX) -> Pixels:
    """The mask with every artefact pixel given the label of the nearest other pixel.

    Args:
        mask: uint8 [H, W], 0..3 and 255.
        artefact_px: max width of an artefact.
    """
    thin = find_artefacts(mask, artefact_px)
    if not thin.any() or thin.all():
        return mask
    nearest = ndimage.distance_transform_edt(thin, return_distances=False, return_indices=True)
    cleaned: Pixels = mask[tuple(nearest)]
    return cleaned


def find_artefacts(mask: Pixels, artefact_px: int = ARTEFACT_PX) -> Area:
    """Where there are boundary artefacts, bool [H, W].

    A pixel is one if its grade is not solid (wider than `artefact_px`) there or close by, and
    another grade is solid beside it. Regions cut by the tile's border count as continued beyond it.

    Args:
        mask: uint8 [H, W], 0..3 and 255.
        artefact_px: max width of an artefact.
    """
    thin = np.zeros(mask.shape, np.bool_)
    areas = {grade: mask == grade for grade in _GRADES}
    present = {grade: area for grade, area in areas.items() if area.any()}
    if len(present) < 2:
        return thin
    # Half an artefact beyond the solid part: squares do not reach into round corners.
    solid = {grade: _open(area, artefact_px + 1) for grade, area in present.items()}
    for grade, area in present.items():
        rest = area & ~_grow(solid[grade], artefact_px + 1)
        if rest.any():
            others = np.logical_or.reduce([solid[other] for other in present if other != grade])
            thin |= rest & _grow(others, 4 * artefact_px + 1)
    return thin


def _open(area: Area, side: int) -> Area:
    """Morphological opening of an area [H, W] by squares of some side."""
    padded = np.pad(area, side - 1, mode="edge")
    return _sweep(_sweep(padded, side, np.logical_and), side, np.logical_or)


def _grow(area: Area, side: int) -> Area:
    """Dilation of an area [H, W] by squares of some side."""
    padded = np.pad(area, (side // 2, side - 1 - side // 2), mode="edge")
    return _sweep(padded, side, np.logical_or)


def _sweep(area: Area, side: int, join: np.ufunc) -> Area:
    """All squares of some side, joined: [H, W] to [H - side + 1, W - side + 1].

    Windows are doubled until they are wide enough: ten times faster than SciPy's filters, which
    matters where every mask of a set is checked.
    """
    for _ in range(2):
        reach = 1
        while reach < side:
            step = min(reach, side - reach)
            area = join(area[:-step], area[step:])
            reach += step
        area = area.T
    return area
