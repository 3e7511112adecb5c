"""Where tiles are cut from a slide, and which of them are read together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from disc.data.tiling.request import TileRequest
from disc.data.wsi.coordinates import Coordinates
from disc.data.wsi.scan import Scan
from disc.files import BadInput

_BLOCK_PX = 1024
"""About how many pixels of a level are read at once, across and down."""
_MIN_REST = 0.02
"""Of a side; a narrower strip at the edge of a slide is not worth a tile."""
_MIN_FILL = 0.8
"""Where tiles cover less of a block, each is read on its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """A tile's row and column, and its top-left corner in level-0 pixels."""

    row: int
    column: int
    x: float
    y: float

    @property
    def corner(self) -> tuple[int, int]:
        """The corner in whole pixels, as names and files have it."""
        return round(self.x), round(self.y)


@dataclass(frozen=True, slots=True)
class Block:
    """Places that are read at once."""

    x: float
    y: float
    """Top-left corner in level-0 pixels."""
    size: tuple[int, int]
    """Width and height in pixels of tiles."""
    places: tuple[Place, ...]


def list_places(
    scan: Scan, tissue: npt.NDArray[np.bool_], scale: float, request: TileRequest
) -> Iterator[Place]:
    """The grid's places that have enough tissue.

    Args:
        scan: the slide.
        tissue: where there is tissue, at any resolution [h, w].
        scale: level-0 pixels per tile pixel.
        request: tile size, overlap, edges, min tissue.

    Raises:
        BadInput: if tiles are to be moved to the slide's edges, and it is narrower than one.
    """
    least = request.min_tissue
    return _choose(scan, tissue, scale, request, lambda fractions: fractions >= least)


def list_dropped(
    scan: Scan, tissue: npt.NDArray[np.bool_], scale: float, request: TileRequest
) -> Iterator[Place]:
    """The grid's places that have tissue, but too little of it; arguments as `list_places`."""
    least = request.min_tissue
    return _choose(
        scan, tissue, scale, request, lambda fractions: (fractions > 0) & (fractions < least)
    )


def _choose(
    scan: Scan,
    tissue: npt.NDArray[np.bool_],
    scale: float,
    request: TileRequest,
    is_chosen: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]],
) -> Iterator[Place]:
    """The grid's places whose fraction of tissue, 0 to 1, is of the kind asked for."""
    side = scale * request.tile_px
    step = scale * max(1, round(request.tile_px * (1 - request.overlap)))
    down, across = tissue.shape[0] / scan.height, tissue.shape[1] / scan.width
    # Sums over windows as differences of four sums.
    sums = np.pad(tissue.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    xs, ys = (_starts(length, side, step, request.edges) for length in (scan.width, scan.height))
    if request.edges == "shift" and not (len(xs) and len(ys)):
        raise BadInput(
            f"{scan.path}: {scan.width} x {scan.height} px, narrower than a tile, {side:g} px "
            "there; give --edges pad, which fills tiles up, or a smaller --tile-px or --um-per-px"
        )
    lefts, rights = (xs * across).astype(int), _ends(xs + side, across, tissue.shape[1])
    bottoms = _ends(ys + side, down, tissue.shape[0])
    for row, (y, bottom) in enumerate(zip(ys, bottoms, strict=True)):
        top = int(y * down)
        band = sums[bottom] - sums[top]
        areas = np.maximum((bottom - top) * (rights - lefts), 1)
        fractions = (band[rights] - band[lefts]) / areas
        for column in np.flatnonzero(is_chosen(fractions)):
            yield Place(row, int(column), float(xs[column]), float(y))


def _starts(
    length: int, side: float, step: float, edges: Literal["shift", "pad", "drop"]
) -> npt.NDArray[np.float64]:
    """Where tiles begin along a side of the slide, in level-0 pixels."""
    starts = np.arange(0, length - side + 1e-6, step)
    end = starts[-1] + side if len(starts) else 0.0
    is_whole = length - end < _MIN_REST * side
    if is_whole or edges == "drop" or (edges == "shift" and length < side):
        return starts
    return np.append(starts, length - side if edges == "shift" else len(starts) * step)


def _ends(places: npt.NDArray[np.float64], scale: float, length: int) -> npt.NDArray[np.int64]:
    """Where tiles end in a map of tissue; those beyond the slide end with it."""
    return np.minimum(np.round(places * scale).astype(np.int64), length)


def listed_places(coordinates: Coordinates) -> Iterator[Place]:
    """The places of a file; one that is listed twice is cut once."""
    xy = np.unique(coordinates.xy, axis=0)
    columns, rows = (np.unique(axis, return_inverse=True)[1] for axis in xy.T)
    for order in np.lexsort((columns, rows)):
        x, y = xy[order]
        yield Place(int(rows[order]), int(columns[order]), float(x), float(y))


def list_blocks(
    places: Sequence[Place], tile_px: int, scale: float, downsample: float
) -> list[Block]:
    """Neighbouring places together, so that what they share is read once.

    Blocks are a function of the places alone, never of the number of processes: a pixel is
    resampled from its block.

    Args:
        places: of one slide.
        tile_px: side of a tile.
        scale: level-0 pixels per tile pixel.
        downsample: level-0 pixels per pixel of the level that is read.
    """
    is_aligned = _find_aligned(places, scale)
    reach = max(2 * tile_px * scale, _BLOCK_PX * downsample)
    groups: dict[tuple[int, int], list[Place]] = {}
    for place in (place for place, on_grid in zip(places, is_aligned, strict=True) if on_grid):
        groups.setdefault((int(place.y // reach), int(place.x // reach)), []).append(place)
    blocks = []
    for group in groups.values():
        block = _block(group, tile_px, scale)
        if len(group) * tile_px**2 < _MIN_FILL * block.size[0] * block.size[1]:
            blocks += [_block([place], tile_px, scale) for place in group]
        else:
            blocks.append(block)
    others = [place for place, on_grid in zip(places, is_aligned, strict=True) if not on_grid]
    return [*blocks, *(_block([place], tile_px, scale) for place in others)]


def _find_aligned(places: Sequence[Place], scale: float) -> list[bool]:
    """Whether the pixels of each tile lie on one grid with those of the first."""
    corners = np.array([(place.x, place.y) for place in places]).reshape(-1, 2)
    offsets = (corners - corners[:1]) / scale
    return [bool(near) for near in (np.abs(offsets - offsets.round()) < 0.02).all(1)]


def _block(places: Sequence[Place], tile_px: int, scale: float) -> Block:
    x, y = min(place.x for place in places), min(place.y for place in places)
    right, bottom = max(place.x for place in places), max(place.y for place in places)
    size = round((right - x) / scale) + tile_px, round((bottom - y) / scale) + tile_px
    return Block(x, y, size, tuple(places))
