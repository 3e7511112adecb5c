"""Presets of tissue detection: what each keeps, and that they are CLAM's where they say so."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import disk, remove_small_objects

from disc.data.tiling import tissue
from disc.data.tiling.request import TissueRule
from disc.data.tiling.tissue import complete_rule, find_pen, find_tissue

PINK, PALE, WHITE = (200, 110, 160), (232, 222, 228), (243, 243, 243)
UM = 16.0


def glass(side: int = 200) -> np.ndarray:
    return np.full((side, side, 3), WHITE, np.uint8)


def test_a_core_is_a_biopsy_and_no_resection() -> None:
    """A core of 0.64 x 1.6 mm, 1 mm2: resections ask for 1.6 mm2."""
    image = glass()
    image[50:150, 80:120] = PINK
    for preset, is_kept in (("biopsy", True), ("resection", False)):
        for name in (preset, f"clam-{preset}"):
            assert find_tissue(image, UM, TissueRule(preset=name)).any() == is_kept, name


def test_a_number_that_is_said_counts_more_than_the_presets() -> None:
    image = glass()
    image[50:150, 80:120] = PINK
    assert find_tissue(image, UM, TissueRule(preset="resection", min_um2=1e5)).any()
    assert not find_tissue(image, UM, TissueRule(preset="biopsy", min_um2=2e6)).any()


def test_clams_threshold_leaves_pale_stroma_out_and_a_lower_one_keeps_it() -> None:
    image = glass()
    image[40:160, 40:100] = PINK
    image[40:160, 100:160] = PALE
    for rule, is_kept in (
        (TissueRule(preset="clam-biopsy"), False),
        (TissueRule(preset="biopsy", saturation=15), False),
        (TissueRule(preset="biopsy", saturation=8), True),
    ):
        found = find_tissue(image, UM, rule)
        assert found[60:140, 50:90].all() and (found[60:140, 125:150] == is_kept).all()


@pytest.mark.parametrize(("max_holes", "num_open"), [(0, 0), (1, 1), (5, 2)])
def test_the_largest_holes_stay_open(max_holes: int, num_open: int) -> None:
    image = glass()
    image[20:180, 20:180] = PINK
    image[40:80, 40:80] = image[110:140, 110:140] = WHITE
    rule = TissueRule(min_hole_um2=1e4, max_holes=max_holes, close_um=0)
    found = find_tissue(image, UM, rule)
    assert [not found[60, 60], not found[125, 125]] == [num_open > 0, num_open > 1]


def test_clams_presets_are_its_files() -> None:
    """bwh_biopsy.csv: mthresh 11, sthresh 15, close 2, a_t 1, a_h 1, max_n_holes 2; its level is
    64 times as wide as 0.25 µm, its areas are of 512 x 512 px of 0.25 µm, 16,384 µm²."""
    rule = complete_rule(TissueRule(preset="clam-biopsy"))
    assert (rule.blur, rule.blur_um, rule.saturation) == ("median", 11 * 16, 15)
    assert (rule.close_um, rule.max_holes) == (2 * 16, 2)
    assert (rule.min_um2, rule.min_hole_um2) == (128.0**2, 128.0**2)
    large = complete_rule(TissueRule(preset="clam-resection"))
    assert (large.close_um, large.max_holes) == (4 * 16, 8)
    assert (large.min_um2, large.min_hole_um2) == (100 * 128.0**2, 16 * 128.0**2)


INKS = {"blue": (30, 50, 160), "green": (40, 130, 70), "black": (35, 33, 38), "navy": (20, 20, 130)}
INKS |= {"dark blue": (25, 30, 90), "grey blue": (40, 50, 120), "ballpoint": (60, 70, 150)}


@pytest.mark.parametrize("ink", INKS)
def test_strokes_of_a_pen_are_no_tissue(ink: str) -> None:
    image = np.full((200, 200, 3), 243, np.uint8)
    image[40:100, 40:100] = (190, 110, 160)
    truth = image[..., 1] == 110
    image[140:150, 20:180] = INKS[ink]
    found = find_tissue(image)
    assert not found[135:155].any() and found[truth].mean() > 0.95
    assert find_pen(image)[140:150, 20:180].mean() > 0.9
    if ink != "black":
        kept = find_tissue(image, rule=TissueRule(keep_pen=True))
        assert kept[142:148, 30:170].all()


@pytest.mark.parametrize(
    "stain",
    [
        (190, 110, 160),
        (110, 70, 150),
        (60, 37, 95),
        (150, 110, 200),
        (225, 150, 190),
        (69, 63, 140),
    ],
)
def test_stained_tissue_is_no_pen(stain: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).normal(0, 6, (80, 80, 3))
    image = (np.array(stain) + noise).clip(0, 255).astype(np.uint8)
    assert not find_pen(image).any()


@pytest.mark.parametrize("black", [(10, 12, 18), (0, 0, 0), None])
def test_glass_that_was_left_black_is_no_tissue(black: tuple[int, int, int] | None) -> None:
    """A value of 3 beside 0 has a saturation of 255."""
    image = np.random.default_rng(0).integers(0, 4, (200, 200, 3)).astype(np.uint8)
    if black is not None:
        image[:] = black
    assert not find_tissue(image).any()
    image[60:140, 60:140] = (190, 110, 160)
    found = find_tissue(image)
    assert found[65:135, 65:135].all() and found.mean() < 0.2


def naive_pieces(image: np.ndarray, um: float) -> np.ndarray:
    """Strokes of a pen, found at once, with scikit-image's rule of small pieces."""
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    colour = image.max(-1).astype(int) - image.min(-1)
    is_ink = (green - red > 24) & (colour > 36) | (blue - red > 96) & (red < 100)
    is_ink |= (green - red > 3) & (blue - green > 48) & (red < 72)
    is_ink |= (image.max(-1) < 100) & (colour < 24)
    opened = ndimage.binary_opening(is_ink, np.ones((2, 2)))
    strokes = remove_small_objects(opened, max_size=round(20_000 / um**2))
    return ndimage.binary_dilation(strokes, disk(max(1, round(24 / um))))


@pytest.mark.parametrize("um", [8.0, 16.0])
def test_strips_change_nothing(um: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=(301, 260)), 8) * 30
    image = glass(301)[:, :260]
    for ink, low in ((PINK, 0.3), (INKS["navy"], 0.9), (INKS["black"], 1.4)):
        image[noise > low] = ink
    right = find_tissue(image, um)
    np.testing.assert_array_equal(find_pen(image, um), naive_pieces(image, um))
    monkeypatch.setattr(tissue, "_STRIP", 13)
    np.testing.assert_array_equal(find_tissue(image, um), right)
    np.testing.assert_array_equal(find_pen(image, um), naive_pieces(image, um))
    assert 0.05 < right.mean() < 0.9


def test_finding_tissue_takes_less_than_16_bytes_a_pixel() -> None:
    """Beside those of the image, in a small one: of 10,000 x 10,000 that is 1.5 GiB."""
    image = np.full((800, 800, 3), 245, np.uint8)
    image[::2, ::2] = PINK
    image[200:300, 50:700] = INKS["navy"]
    tracemalloc.start()
    found = find_tissue(image)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.any() and most / found.size < 16
