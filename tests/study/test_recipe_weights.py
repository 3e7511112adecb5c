from pathlib import Path

import numpy as np

from disc.data.tiles.records import Tile
from disc.masks.shapes import shape_map
from disc.sample.synthesis import ShapeBook
from disc.study.recipe_weights import compare_weights

TILE = Tile(name="t", slide_id="s", image=Path("t.jpg"), mask=None, x=0, y=0)


def test_random_weights_show_the_grades_asked_for_more_often_than_fixed_ones() -> None:
    rng = np.random.default_rng(0)
    shapes = []
    for _ in range(60):
        bands = np.sort(rng.choice(np.arange(1, 31), rng.integers(0, 3), replace=False))
        rows = np.searchsorted(bands, np.arange(32), side="right")
        shapes.append(shape_map(rows[:, None].repeat(32, 1).astype(np.uint8)))
    book = ShapeBook(shapes, [TILE] * 60)
    table = compare_weights(book, slides=30, tiles=(20, 60))
    shares = table[table["primary"] > 0].groupby("weights")["share"].mean()
    assert shares["random"] > 0.85 and shares["random"] > shares["fixed"] + 0.15
    assert (table[table["primary"] == 0]["share"] == 1).all()
    again = compare_weights(book, slides=30, tiles=(20, 60))
    assert table.equals(again)
