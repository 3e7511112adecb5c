import numpy as np
import pytest
from scipy import ndimage

from disc.evaluate.gradients import gradient_energy
from disc.evaluate.kernel_distance import kernel_distance, standardise
from disc.evaluate.quality import ENERGIES, Gallery, quality_table


def gallery(seed: int, blur: float = 0.0, num: int = 40) -> Gallery:
    """Noise, finer in label 2; features: its mean, and its mean step between neighbours."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((num, 16, 16), np.uint8)
    masks[::2] = 2
    masks[1::4, :, 8:] = 2
    noise = np.where(masks == 2, 40, 15)[..., None] * rng.normal(size=(num, 16, 16, 3)) + 128
    noise = ndimage.gaussian_filter(noise, (0, blur, blur, 0)) if blur else noise
    images = noise.clip(0, 255).astype(np.uint8)
    steps = np.abs(np.diff(images.astype(float), axis=1))
    features = np.stack([images.mean(axis=(1, 2, 3)), steps.mean(axis=(1, 2, 3))], axis=1)
    return Gallery(images, masks, [f"s{i % 10}" for i in range(num)], features)


def test_columns_are_what_their_measures_give() -> None:
    one, real = gallery(0), gallery(1)
    table = quality_table({"sd": one}, {"real": real}, draws=50, seed=0).set_index("variant")
    expected = kernel_distance(
        standardise(one.features, real.features), standardise(real.features, real.features)
    )
    assert table.loc["sd", "kid_real"] == pytest.approx(expected)
    sums, counts = (part.sum(axis=0) for part in gradient_energy(one.images, one.masks))
    assert table.loc["sd", "energy_GG4"] == pytest.approx(sums[2] / counts[2])
    assert table.loc["sd", ["energy_GG3", "energy_GG5"]].isna().all()
    assert table.loc["sd", ["matched", "mismatch"]].tolist() == [40, 0]
    assert table.loc["real", "kid_real"] != table.loc["real", "kid_real"]
    assert set(ENERGIES) <= set(table)


def test_blur_is_seen_where_agreement_is_blind() -> None:
    parts = {"sharp": gallery(0), "soft": gallery(2, blur=0.6)}
    real = {"real": gallery(1), "softened": gallery(3, blur=0.6)}
    table = quality_table(parts, real, draws=100, seed=0).set_index("variant")
    assert table.loc["soft", "energy_GG4"] < 0.5 * table.loc["sharp", "energy_GG4"]
    assert table.loc["soft", "kid_real_gain_low"] > 0
    assert table.loc["soft", "kid_softened"] < table.loc["sharp", "kid_softened"]
    assert table.loc["sharp", "kid_real_gain"] == 0


def test_tiles_are_compared_with_those_of_their_labels() -> None:
    """Real tiles hold twice as many of label 0; those too many are left out."""
    one, many = gallery(0), gallery(1, num=80)
    masks = many.masks.copy()
    masks[40:] = 0
    real = Gallery(many.images, masks, many.slides, many.features)
    table = quality_table({"sd": one}, {"real": real}, draws=10, seed=0).set_index("variant")
    assert table.loc["sd", "mismatch"] == 0
    assert table.loc["sd", "matched"] == 40
