"""Facts of tiles: nuclei are counted, at any scale, each tile by itself."""

import numpy as np
import pytest

from disc.audit.facts import measure_tiles
from disc.phantom.nuclei import Nuclei, draw_nuclei_pixels
from disc.phantom.stain import EOSIN, HAEMATOXYLIN

SIDE_UM = 288.0
NUMBER = 60


def stained_tile(rng, um_per_px, number=NUMBER):
    """Stroma with nuclei that do not touch: uint8 [H, W, 3]."""
    places = np.stack(np.meshgrid(*[np.arange(12.0, SIDE_UM - 6, 24)] * 2), -1).reshape(-1, 2)
    chosen = rng.permutation(places)[:number] + rng.uniform(-4, 4, (number, 2))
    half = rng.uniform(3.2, 3.9, (number, 1))
    nuclei = Nuclei(
        centre=chosen,
        axes=half * (1.1, 0.9),
        angle=rng.uniform(0, np.pi, number),
        darkness=rng.uniform(0.75, 1.2, number),
    )
    side = round(SIDE_UM / um_per_px)
    haematoxylin = draw_nuclei_pixels(nuclei, (side, side), um_per_px)[..., None]
    eosin = 0.4 * (1 - haematoxylin.clip(0, 1))
    light = np.exp(-haematoxylin * HAEMATOXYLIN - eosin * EOSIN)
    return np.rint(240 * light + rng.normal(0, 1, light.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("um_per_px", [0.5, 1.0, 2.0, 3.0])
def test_the_number_of_nuclei_is_found_at_every_scale(um_per_px):
    tile = stained_tile(np.random.default_rng(0), um_per_px)
    masks = np.zeros((1, *tile.shape[:2]), np.uint8)
    found = measure_tiles(tile[None], masks, um_per_px).nuclei
    assert found[0, 0] == pytest.approx(NUMBER, rel=0.1)
    assert not found[0, 1:].any()


def test_the_nuclei_of_a_tile_do_not_depend_on_its_neighbours():
    rng = np.random.default_rng(1)
    tiles = np.stack([stained_tile(rng, 2.0, number) for number in (5, 40, 90)])
    tiles[1] //= 3
    masks = np.zeros(tiles.shape[:3], np.uint8)
    together = measure_tiles(tiles, masks, 2.0).nuclei
    alone = [measure_tiles(tiles[[k]], masks[[k]], 2.0).nuclei[0] for k in range(3)]
    np.testing.assert_array_equal(together, alone)
    assert together[0, 0] == pytest.approx(5, abs=1) and together[2, 0] == pytest.approx(
        90, rel=0.1
    )


def test_pixels_of_one_colour_have_no_spread_however_many():
    """Sums of squares of 32 bits left a deviation of .036."""
    tiles = np.full((1, 512, 512, 3), 89, np.uint8)
    spread = measure_tiles(tiles, np.zeros(tiles.shape[:3], np.uint8), 1.0).spread
    assert spread.max() < 1e-5
