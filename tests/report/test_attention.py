from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.report.graders.attention import choose_slides, draw_attention


def test_tiles_stand_by_how_much_they_counted() -> None:
    tiles = [np.full((8, 8, 3), 40 * i, np.uint8) for i in range(4)]
    shares = [0.1, 0.6, 0.05, 0.25]
    table = pd.DataFrame({"slide": "a", "tile": range(4), "attention": shares})
    axes = draw_attention([("a", tiles)], table, most=3).axes
    assert [int(one.images[0].get_array()[0, 0, 0]) for one in axes] == [40, 120, 0]
    assert [one.get_title() for one in axes] == ["2.4x", "1.0x", "0.4x"]
    assert axes[0].texts[0].get_text() == "a"
    with pytest.raises(ValueError, match="a: attention of 4 tiles; it has 3"):
        draw_attention([("a", tiles[:3])], table)


def test_only_tiles_that_are_shown_are_read() -> None:
    slides = {name: Slide(slide_id=name, patient_id=name, primary=3) for name in ("a", "b")}
    place = Path("none")
    tiles = tuple(
        Tile(name=str(i), slide_id="a", image=place, mask=None, x=i, y=0) for i in range(9)
    )
    read = list[int]()

    class Reading:
        def image(self, tile: Tile, tile_px: int) -> np.ndarray:
            read.append(tile.x)
            return np.zeros((tile_px, tile_px, 3), np.uint8)

    held = TileSet(slides=slides, tiles=tiles, tile_px=8, reading=Reading())  # type: ignore[arg-type]
    (chosen,) = choose_slides(held)
    assert chosen[0] == "a" and len(chosen[1]) == 9 and not read
    table = pd.DataFrame({"slide": "a", "tile": range(9), "attention": np.arange(9) / 36})
    draw_attention([chosen], table, most=2)
    assert read == [8, 7]
