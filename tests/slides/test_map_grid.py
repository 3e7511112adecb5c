"""The grid of a map has the slide's own scale where the slide is a little coarser."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from disc.slides.reading.map_grid import Box, lay_grid


def test_areas_of_a_slide_that_is_a_little_coarser_are_its_own() -> None:
    scan = SimpleNamespace(path=Path("a.tif"), um_per_px=0.505, width=900, height=700)
    grid = lay_grid(scan, 0.5)
    assert (grid.width, grid.height) == (900, 700)
    found = grid.areas_mm2(Box(0, 0, 900, 700)).sum()
    assert found == pytest.approx(900 * 700 * 0.000505**2)
