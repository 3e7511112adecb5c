"""Boundary artefacts: against SciPy's filters, and what must not be taken for one."""

import numpy as np
import pytest
from scipy import ndimage

from disc.data.pixels.boundary_artefacts import clean_artefacts, find_artefacts
from disc.labels import IGNORE, Label


def rings(*widths: int, side: int = 96) -> np.ndarray:
    """A square of GG5 in rings of GG4, then GG3, of some widths, in Non-Cancer."""
    mask = np.zeros((side, side), np.uint8)
    edge = 12
    for label, width in zip((Label.GG3, Label.GG4), widths[::-1], strict=True):
        mask[edge : side - edge, edge : side - edge] = label
        edge += width
    mask[edge : side - edge, edge : side - edge] = Label.GG5
    return mask


def test_artefacts_of_a_smoothed_mask_are_cleaned() -> None:
    mask = rings(2, 2)
    thin = find_artefacts(mask, 4)
    assert np.array_equal(thin, (mask == Label.GG3) | (mask == Label.GG4))
    cleaned = clean_artefacts(mask, 4)
    assert set(np.unique(cleaned)) == {Label.NC, Label.GG5}
    assert np.array_equal(cleaned[~thin], mask[~thin])


def test_a_mask_that_was_smoothed_and_cut_into_grades_gets_its_grade_back() -> None:
    y, x = np.mgrid[:128, :128]
    disc = np.hypot(y - 64, x - 64) < 40
    smooth = ndimage.gaussian_filter(5.0 * disc, 1.5)
    mask = np.array([0, 0, 0, 1, 2, 3], np.uint8)[np.round(smooth).astype(int)]
    assert {Label.GG3, Label.GG4} <= set(np.unique(mask))
    cleaned = clean_artefacts(mask, 6)
    assert set(np.unique(cleaned)) == {Label.NC, Label.GG5}
    assert (cleaned == 3 * disc).mean() > 0.98


def test_wide_bands_and_grades_alone_are_left_as_they_are() -> None:
    wide = rings(10, 10)
    assert not find_artefacts(wide, 4).any() and np.array_equal(clean_artefacts(wide, 4), wide)
    thread = np.zeros((64, 64), np.uint8)
    thread[30:33] = Label.GG3
    assert not find_artefacts(thread, 6).any()
    apart = thread.copy()
    apart[:15, :15] = Label.GG4
    apart[30:33, :40] = 0
    assert not find_artefacts(apart, 3).any()


def test_what_the_border_cuts_continues_beyond_it() -> None:
    mask = np.full((64, 64), Label.GG4, np.uint8)
    mask[:2] = Label.GG3
    assert not find_artefacts(mask, 6).any()


def test_unknown_pixels_and_constant_masks() -> None:
    for label in (*Label, IGNORE):
        mask = np.full((32, 32), label, np.uint8)
        assert np.array_equal(clean_artefacts(mask), mask)
    mask = rings(2, 2)
    mask[:12] = IGNORE
    assert (clean_artefacts(mask, 4)[:12] == IGNORE).all()


@pytest.mark.parametrize("artefact_px", [2, 4, 6])
def test_the_same_as_with_scipys_filters(artefact_px: int) -> None:
    """Inside the tile; windows are odd, so that SciPy centres them too."""
    field = ndimage.gaussian_filter(np.random.default_rng(artefact_px).normal(size=(160, 160)), 4)
    mask = np.digitize(field, np.quantile(field, [0.4, 0.5, 0.6])).astype(np.uint8)
    expected = np.zeros(mask.shape, bool)
    solid = {
        g: ndimage.grey_opening((mask == g).astype(np.uint8), (artefact_px + 1,) * 2)
        for g in (1, 2, 3)
    }
    for grade in (1, 2, 3):
        rest = (mask == grade) & ~ndimage.maximum_filter(solid[grade], artefact_px + 1).astype(bool)
        others = np.max([solid[other] for other in {1, 2, 3} - {grade}], 0)
        expected |= rest & ndimage.maximum_filter(others, 4 * artefact_px + 1).astype(bool)
    inner = np.s_[40:-40, 40:-40]
    assert expected[inner].any()
    assert np.array_equal(find_artefacts(mask, artefact_px)[inner], expected[inner])
