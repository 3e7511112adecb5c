"""Where tiles are cut, against counting by hand, and which of them are read at once."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from disc.data.tiling.grid import Block, Place, list_blocks, list_places, listed_places
from disc.data.tiling.request import TileRequest
from disc.data.wsi.coordinates import Coordinates
from disc.files import BadInput

TILE = 32
SCAN = SimpleNamespace(path=Path("a.tiff"), width=640, height=384)


def request_for(**targets: float) -> TileRequest:
    return TileRequest(slides=Path("slides"), out=Path("out"), tile_px=TILE, **targets)


def places_of(tissue: np.ndarray, scale: float, **targets: float) -> list[Place]:
    return list(list_places(SCAN, tissue, scale, request_for(**{"edges": "drop", **targets})))


@pytest.mark.parametrize("scale", [1.0, 2.0, 2.5])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_places_have_enough_tissue(scale: float, overlap: float) -> None:
    """Every place of the grid, its fraction of tissue counted pixel by pixel at level 0."""
    tissue = np.zeros((SCAN.height, SCAN.width), np.bool_)
    tissue[50:300, 130:420] = True
    side, step = int(TILE * scale), int(TILE * scale * (1 - overlap))
    expected = [
        (row, column, column * step, row * step)
        for row in range((SCAN.height - side) // step + 1)
        for column in range((SCAN.width - side) // step + 1)
        if tissue[row * step :, column * step :][:side, :side].mean() >= 0.4
    ]
    found = places_of(tissue, scale, overlap=overlap)
    assert [(p.row, p.column, p.x, p.y) for p in found] == expected
    coarse = places_of(tissue[::2, ::2], scale, overlap=overlap)
    assert [p.corner for p in coarse] == [p.corner for p in found]


def test_limits() -> None:
    whole, none = np.ones((48, 80), np.bool_), np.zeros((48, 80), np.bool_)
    assert len(places_of(whole, 2.0, overlap=0.0)) == 10 * 6
    assert not places_of(none, 2.0)
    assert len(places_of(none, 2.0, overlap=0.0, min_tissue=0.0)) == 10 * 6
    assert not places_of(whole, 20.0), "a tile larger than the slide"


def test_listed_places_come_once_and_in_rows() -> None:
    xy = np.array([[30, 20], [10, 5], [30, 5], [10, 5]])
    found = list(listed_places(Coordinates(slide="a", xy=xy, side=64)))
    assert found == [Place(0, 0, 10, 5), Place(0, 1, 30, 5), Place(1, 1, 30, 20)]


def covers(block: Block, place: Place, scale: float) -> bool:
    left, top = (place.x - block.x) / scale, (place.y - block.y) / scale
    is_inside = left + TILE <= block.size[0] + 0.5 and top + TILE <= block.size[1] + 0.5
    return is_inside and min(left, top) >= 0


def test_blocks_cover_all_places_once() -> None:
    places = places_of(np.ones((48, 80), np.bool_), 2.0, overlap=0.5)
    blocks = list_blocks(places, TILE, scale=2.0, downsample=1.0)
    together = [place for block in blocks for place in block.places]
    assert sorted(p.corner for p in together) == sorted(p.corner for p in places)
    assert all(covers(block, place, 2.0) for block in blocks for place in block.places)
    assert len(blocks) == 1, "the slide is smaller than a block"


def test_far_and_unaligned_places_are_read_alone() -> None:
    """Glass between them would be read for nothing; a pixel must not depend on its neighbours."""
    far = [Place(0, 0, 0, 0), Place(9, 9, 900, 900)]
    assert len(list_blocks(far, TILE, scale=1.0, downsample=1.0)) == 2
    odd = [Place(0, 0, 0, 0), Place(0, 1, 32.5, 0)]
    assert [block.size for block in list_blocks(odd, TILE, 1.0, 1.0)] == [(TILE, TILE)] * 2
    near = [Place(0, 0, 0, 0), Place(0, 1, 32, 0)]
    assert [block.size for block in list_blocks(near, TILE, 1.0, 1.0)] == [(2 * TILE, TILE)]
    assert list_blocks([], TILE, 1.0, 1.0) == []


def test_the_edges_of_a_slide_are_covered_or_left_out() -> None:
    """640 x 384 px in tiles of 100 px: 40 px at the right and 84 at the bottom were lost."""
    whole = np.ones((SCAN.height, SCAN.width), np.bool_)
    for edges, ends in (("drop", (600, 300)), ("shift", (640, 384)), ("pad", (700, 400))):
        found = places_of(whole, 100 / TILE, overlap=0.0, edges=edges)
        assert (max(p.x for p in found) + 100, max(p.y for p in found) + 100) == ends
        num = (6, 3) if edges == "drop" else (7, 4)
        assert len(found) == num[0] * num[1] == len({(p.row, p.column) for p in found})
    assert len(places_of(whole, 2.0, overlap=0.0, edges="shift")) == 10 * 6, "nothing is left"
    for scale in (13.0, 20.0):
        with pytest.raises(
            BadInput, match=r"a\.tiff: 640 x 384 px, narrower than a tile.*edges pad"
        ):
            places_of(whole, scale, edges="shift")
    assert len(places_of(whole, 20.0, edges="pad", min_tissue=0.1)) == 1


def test_tiles_off_the_grid_leave_the_others_together() -> None:
    whole = np.ones((SCAN.height, SCAN.width), np.bool_)
    places = places_of(whole, 2.5, overlap=0.5, edges="shift")
    assert any(place.y % 40 for place in places)
    blocks = list_blocks(places, TILE, 2.5, 1.0)
    assert sorted(p.corner for b in blocks for p in b.places) == sorted(p.corner for p in places)
    assert len(blocks) < len(places) / 3 and all(
        covers(block, place, 2.5) for block in blocks for place in block.places
    )
