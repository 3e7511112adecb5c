"""How wide the pixels of tiles are that are boxes on slides, as the slides' files say."""

from __future__ import annotations

from disc.data.tiles.records import SAME_SCALE, Tile
from disc.data.tiles.tile_set import TileSet
from disc.data.wsi.scan import Scan
from disc.files import BadInput


def find_scale(tiles: TileSet, notes: list[str]) -> float | None:
    """Width of a tile's pixel in micrometres, None where nobody says or slides differ.

    Of boxes on slides, what a slide's file says counts, and what was given where it does not.

    Args:
        tiles: the set.
        notes: to which it is added that slides differ.
    """
    boxes = {tile.slide_id: tile for tile in tiles.tiles if tile.box_px is not None}
    if not boxes:
        widths = [tile.um_per_px for tile in tiles.tiles if tile.um_per_px is not None]
        is_one = bool(widths) and max(widths) <= (1 + SAME_SCALE) * min(widths)
        return tiles.tiles[0].um_per_px if is_one else None
    found = {name: _measure(tile, tiles.tile_px) for name, tile in boxes.items()}
    known = {name: width for name, width in found.items() if width is not None}
    if not known:
        return None
    low, high = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    if known[high] > (1 + SAME_SCALE) * known[low]:
        notes.append(
            f"slides differ in scale: tiles of {low} have {known[low]:.3g} µm per pixel, of {high} "
            f"{known[high]:.3g}; list squares that are as wide in micrometres"
        )
        return None
    return sum(known.values()) / len(known)


def _measure(tile: Tile, tile_px: int) -> float | None:
    box_px = tile.box_px or tile_px
    given = None if tile.um_per_px is None else tile.um_per_px * tile_px / box_px
    try:
        return Scan(tile.image, given).um_per_px * box_px / tile_px
    except BadInput:  # What is damaged is said when its tiles are read.
        return None
