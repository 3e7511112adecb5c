"""Numbers and places in the files of a graded slide."""

import numpy as np
import pytest
import shapely

from disc.labels import IGNORE, Label
from disc.slides.grade_slide import _outline_lost, find_areas
from disc.slides.reading.map_grid import Box, MapGrid

GRID = MapGrid(width=200, height=150, scale=7.93, um_per_px=2.0, slide_px=(1586, 1189))


def test_areas_are_those_of_their_outlines() -> None:
    """Also the smallest that are drawn, of .01 mm², at a resolution that is not a round number."""
    part = np.zeros((5, GRID.height, GRID.width), np.uint8)
    part[-1] = IGNORE
    part[-1, 3:55, 5:60], part[-1, 60:149, 7:190] = Label.GG3, Label.GG5
    part[-1, 70:90, 20:31] = Label.NC
    areas, dropped = find_areas(part, GRID.edges, GRID.um_per_slide_px)
    lost = [_outline_lost(GRID, box) for box in (Box(32, 32, 32, 32), Box(192, 128, 32, 32))]
    found = [*areas, *lost]
    assert len(found) == 4 and len(dropped) == 1
    for each in found:
        level0 = shapely.Polygon(each.shell, each.holes).area
        mm2 = level0 * (GRID.um_per_slide_px / 1000) ** 2
        assert each.measurements["Area mm2"] == pytest.approx(mm2, rel=1e-6)
