import numpy as np
import pytest
from scipy import ndimage
from skimage.color import rgb2gray

from disc.evaluate.gradients import gradient_coherence, gradient_energy, seam_ratio


def tiles(num: int = 4, side: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (num, side, side, 3)).astype(np.uint8)


def halves(num: int = 4, side: int = 16) -> np.ndarray:
    masks = np.zeros((num, side, side), np.uint8)
    masks[:, :, side // 2 :] = 2
    return masks


def test_energy_is_the_sum_pixel_by_pixel() -> None:
    images, masks = tiles(2, 6), halves(2, 6)
    masks[0, 3, 1] = 255
    sums, counts = gradient_energy(images, masks)
    grey = 255 * rgb2gray(images)
    for n in range(2):
        for label in range(4):
            found = [
                (grey[n, y, x + 1] - grey[n, y, x]) ** 2 + (grey[n, y + 1, x] - grey[n, y, x]) ** 2
                for y in range(5)
                for x in range(5)
                if masks[n, y, x] == masks[n, y, x + 1] == masks[n, y + 1, x] == label
            ]
            assert sums[n, label] == pytest.approx(sum(found))
            assert counts[n, label] == len(found)


def test_one_colour_has_none_and_no_seam_to_measure() -> None:
    flat = np.full((2, 8, 8, 3), 200, np.uint8)
    assert gradient_energy(flat, halves(2, 8))[0].sum() == 0
    assert np.isnan(seam_ratio(flat, halves(2, 8))).all()
    assert np.isnan(seam_ratio(tiles(), np.ones((4, 16, 16), np.uint8))).all()


def test_a_lattice_of_period_two_is_seen() -> None:
    lattice = np.indices((8, 8)).sum(axis=0) % 2 * 255
    images = np.repeat(lattice[None, :, :, None], 3, axis=-1).astype(np.uint8)
    sums, counts = gradient_energy(images, np.zeros((1, 8, 8), np.uint8))
    assert sums[0, 0] / counts[0, 0] == pytest.approx(2 * 255**2)


def test_blur_lowers_the_energy_of_every_label() -> None:
    images, masks = tiles(), halves()
    blurred = ndimage.gaussian_filter(images, (0, 0.7, 0.7, 0))
    sharp, soft = (gradient_energy(part, masks)[0].sum(axis=0) for part in (images, blurred))
    assert (soft[[0, 2]] < 0.5 * sharp[[0, 2]]).all()


def test_a_seam_raises_the_ratio_and_a_smoothed_border_lowers_it() -> None:
    images, masks = tiles(side=32) // 8 + 100, halves(side=32)
    assert seam_ratio(images, masks) == pytest.approx(1, abs=0.1)
    stepped, smoothed = images.copy(), images.copy()
    stepped[:, :, 16:] += 60
    smoothed[:, :, 13:20] = 110
    assert (seam_ratio(stepped, masks) > 1.3).all()
    assert (seam_ratio(smoothed, masks) < 0.7).all()


def test_unknown_pixels_are_neither_near_nor_elsewhere() -> None:
    images, masks = tiles(1, 32), halves(1, 32)
    spoiled = images.copy()
    spoiled[:, 24:] = 0
    masks[:, 22:] = 255
    assert seam_ratio(images, masks) == pytest.approx(seam_ratio(spoiled, masks))


def stripes(angle: float, side: int = 64) -> np.ndarray:
    """A wave along a direction, in degrees: uint8 [H, W, 3]."""
    y, x = np.mgrid[:side, :side]
    wave = np.sin((x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))) / 1.3)
    return np.repeat((128 + 80 * wave)[..., None], 3, axis=2).astype(np.uint8)


def test_gradients_of_stripes_run_one_way_whichever_it_is_and_those_of_noise_do_not() -> None:
    waves = np.stack([stripes(angle) for angle in (0, 30, 45, 90, 137)])
    parallel, trace = gradient_coherence(waves, np.ones(waves.shape[:3], np.uint8))
    assert (parallel[:, 1] / trace[:, 1] > 0.95).all()
    assert not trace[:, [0, 2, 3]].any()
    noise = tiles(3, 128)
    parallel, trace = gradient_coherence(noise, np.zeros(noise.shape[:3], np.uint8))
    assert (parallel[:, 0] / trace[:, 0] < 0.05).all()


def test_coherence_is_of_each_label_and_of_each_tile_by_itself() -> None:
    across = np.concatenate([stripes(0)[:, :32], stripes(90)[:, :32]], axis=1)
    images = np.stack([across, across.swapaxes(0, 1)])
    masks = np.stack([halves(1, 64)[0], halves(1, 64)[0].T])
    parallel, trace = gradient_coherence(images, masks)
    assert (parallel[:, [0, 2]] / trace[:, [0, 2]] > 0.9).all()
    whole, all_trace = gradient_coherence(images, np.zeros_like(masks))
    assert (whole[:, 0] / all_trace[:, 0] < 0.2).all()
    np.testing.assert_allclose(gradient_coherence(images[1:], masks[1:])[0], parallel[1:])
