import numpy as np
import pandas as pd
import pytest

from disc.evaluate.agreement import mean_recall, measure_tiles
from disc.evaluate.gradients import gradient_energy
from disc.evaluate.kernel_distance import kernel_distance, standardise
from disc.evaluate.quality import Gallery
from disc.evaluate.readings import describe_tiles, summarise_readings

NUM = 24
SLIDES = [f"s{i % 8}" for i in range(NUM)]
RNG = np.random.default_rng(0)
MASKS = RNG.integers(0, 4, (NUM, 2, 2)).astype(np.uint8).repeat(8, 1).repeat(8, 2)


def gallery(seed: int) -> Gallery:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (NUM, 16, 16, 3)).astype(np.uint8)
    return Gallery(images, MASKS, SLIDES, rng.normal(size=(NUM, 3)))


def reading(seed: int, wrong: float, scale: float = 1.0) -> pd.DataFrame:
    """Tiles of which a fraction of the pixels is read as the next label."""
    rng = np.random.default_rng(seed)
    predicted = (MASKS + (rng.random(MASKS.shape) < wrong)) % 4
    latents = scale * rng.normal(size=(NUM, 300))
    moments = {"latent_mean": latents.mean(axis=1), "latent_square": (latents**2).mean(axis=1)}
    tiles = describe_tiles(gallery(seed))
    return pd.DataFrame({**measure_tiles(MASKS, predicted.astype(np.uint8)), **moments, **tiles})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    readings = {
        "sd": [reading(1, 0.5), reading(2, 0.4)],
        "good": [reading(3, 0.2, 0.7), reading(4, 0.1, 0.7)],
    }
    real = [pd.DataFrame(describe_tiles(gallery(s))).assign(slide=SLIDES) for s in (5, 6)]
    found = summarise_readings(readings, real, SLIDES, {"sd": "sd", "good": "good"}, draws=200)
    return found.set_index("name")


def test_values_are_those_of_their_measures(table: pd.DataFrame) -> None:
    one, other = reading(1, 0.5), reading(2, 0.4)
    recalls = [name for name in one if name.startswith("recall")]
    fractions = [name for name in one if name.startswith("fraction")]
    expected = [
        mean_recall(t[recalls].to_numpy(), t[fractions].to_numpy()).mean() for t in (one, other)
    ]
    assert table.loc["sd", "primary_of"] == pytest.approx(tuple(expected))
    assert table.loc["sd", "primary"] == pytest.approx(np.mean(expected))
    assert table.loc["sd", "accuracy"] == pytest.approx(0.55, abs=0.03)
    references = [gallery(5).features, gallery(6).features]
    distances = [
        kernel_distance(standardise(gallery(s).features, r), standardise(r, r))
        for s, r in zip((1, 2), references, strict=True)
    ]
    assert table.loc["sd", "kid"] == pytest.approx(np.mean(distances))
    per_pixel = [
        np.divide(
            *(part.sum(axis=(0)) for part in gradient_energy(images, np.tile(MASKS, (2, 1, 1))))
        )
        for images in (
            np.concatenate([gallery(s).images for s in pair]) for pair in ((1, 2), (5, 6))
        )
    ]
    expected = per_pixel[0] / per_pixel[1]
    found = table.loc["sd", [f"energy_{name}" for name in ("NC", "GG3", "GG4", "GG5")]]
    np.testing.assert_allclose(found.to_numpy(float), expected)


def test_differences_are_paired_and_none_to_itself(table: pd.DataFrame) -> None:
    assert (table.loc["sd", ["to_sd", "to_sd_low", "to_sd_high"]] == 0).all()
    assert table.loc["good", "to_sd"] == pytest.approx(
        table.loc["good", "primary"] - table.loc["sd", "primary"]
    )
    assert table.loc["good", "to_sd_low"] > 0.2


def test_distances_are_compared_to_each_base(table: pd.DataFrame) -> None:
    assert (table.loc["sd", ["kid_to_sd", "kid_to_sd_low", "kid_to_sd_high"]] == 0).all()
    for base in ("sd", "good"):
        expected = table["kid"] - table.loc[base, "kid"]
        np.testing.assert_allclose(table[f"kid_to_{base}"], expected, atol=1e-12)


def test_the_deviation_of_latents_shows_blur(table: pd.DataFrame) -> None:
    assert table.loc["sd", "deviation"] == pytest.approx(1, abs=0.02)
    assert table.loc["good", "deviation"] == pytest.approx(0.7, abs=0.02)
    assert table.loc["good", "deviation_high"] < table.loc["sd", "deviation_low"]


def test_trainings_on_other_slides_are_refused() -> None:
    tables = {"sd": [reading(1, 0.5), reading(2, 0.5)]}
    real = [pd.DataFrame(describe_tiles(gallery(s))).assign(slide=SLIDES) for s in (5, 6)]
    real[1] = real[1].assign(slide="another")
    with pytest.raises(ValueError, match="different slides"):
        summarise_readings(tables, real, SLIDES, {}, draws=10)


def test_a_label_that_is_nowhere_has_no_gradient_energy() -> None:
    """It was 0, as of tiles without any texture."""
    made, real = reading(1, 0.5), pd.DataFrame(describe_tiles(gallery(5))).assign(slide=SLIDES)
    made[["energy_GG5", "pixels_GG5"]] = 0.0
    bases = {"sd": "sd"}
    found = summarise_readings({"sd": [made]}, [real], SLIDES, bases, draws=20)
    assert np.isnan(found.loc[0, "energy_GG5"]) and found.loc[0, "energy_NC"] > 0
