import numpy as np
import pandas as pd
import pytest

from disc.report.graders.attention import draw_attention


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
