import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from disc.evaluate.reconstruction import mean_and_low, measure_psnr, measure_ssim


@pytest.fixture
def tile():
    return np.random.default_rng(0).integers(0, 200, (32, 32, 3), dtype=np.uint8)


def test_psnr(tile):
    brighter = tile + np.uint8(10)
    assert measure_psnr(tile, brighter) == pytest.approx(20 * np.log10(25.5))
    noisy = np.random.default_rng(1).integers(0, 256, tile.shape, dtype=np.uint8)
    assert measure_psnr(tile, noisy) == pytest.approx(peak_signal_noise_ratio(tile, noisy))


def test_equal_tiles_have_a_finite_ratio_above_all_others(tile):
    other = tile.copy()
    other[0, 0, 0] += 2
    assert measure_psnr(tile, other) < measure_psnr(tile, tile) < 100


def test_ssim_sees_lost_structure_where_psnr_does_not(tile):
    assert measure_ssim(tile, tile) == pytest.approx(1)
    flat = np.full_like(tile, tile.mean().astype(np.uint8))
    shift = np.uint8(np.sqrt(((tile.astype(float) - flat) ** 2).mean()).round())
    external = np.where(tile < 128, tile + shift, tile - shift).astype(np.uint8)
    assert measure_psnr(tile, flat) == pytest.approx(measure_psnr(tile, external), abs=0.2)
    assert measure_ssim(tile, flat) < 0.1


def test_mean_and_low():
    found = mean_and_low(np.arange(101.0))
    assert found == {"mean": 50.0, "p5": 5.0}
