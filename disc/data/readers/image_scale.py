"""How wide the pixels of tiles become where images are resized to them, and whether all alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from disc.data.pixels.images import measure_size
from disc.data.readers.source import Source
from disc.data.tiles.records import SAME_SCALE, Tile
from disc.files import BadInput


def square_px(source: Source) -> int:
    """Pixels of an image that are as wide as a tile in micrometres; 0 where that is not asked."""
    if source.to_um_per_px is None or source.um_per_px is None or source.tile_px is None:
        return 0
    side = round(source.tile_px * source.to_um_per_px / source.um_per_px)
    if side < source.tile_px:
        raise BadInput(
            f"{source.root}: has {source.um_per_px:g} µm per pixel, coarser than the "
            f"{source.to_um_per_px:g} asked for; tiles are not enlarged"
        )
    return side


def with_scale(
    source: Source, tiles: Sequence[Tile], tile_px: int, sizes: Mapping[str, int]
) -> tuple[Tile, ...]:
    """Tiles with the width of their pixels, if that of the files' is known."""
    if source.um_per_px is None:
        return tuple(tiles)
    first = tiles[0]
    side: float = first.box_px or tile_px
    if first.box_px is None and source.to_um_per_px is not None:
        side = square_px(source)
    sides = [sizes.get(tile.name, side) for tile in tiles]
    return tuple(
        replace(tile, um_per_px=source.um_per_px * own / tile_px)
        for tile, own in zip(tiles, sides, strict=True)
    )


def measure_all(source: Source, tiles: Sequence[Tile]) -> dict[str, int]:
    """Side of the square of each image that becomes a tile, where sizes may differ."""
    is_given = source.fit == "exact" or source.to_um_per_px is not None
    sizes = {}
    for tile in tiles:
        if is_given or tile.box_px is not None:
            continue
        with suppress(BadInput):  # What is damaged is said when its tile is read.
            sizes[tile.name] = min(measure_size(tile.image))
    return sizes


def note_sizes(source: Source, sizes: Mapping[str, int], tile_px: int) -> list[str]:
    """A note where images of several sizes become tiles of one."""
    low, high = min(sizes.values(), default=0), max(sizes.values(), default=0)
    if high <= (1 + SAME_SCALE) * low:
        return []
    advice = "--to-um-per-px gives all tiles one scale"
    if source.um_per_px is None:
        advice = f"give --um-per-px, if it is known, and {advice}"
    return [
        f"{source.root}: images of {low} to {high} px a side all become tiles of {tile_px} px, so "
        f"the widths of their pixels differ by up to {high / low:.2f} times; {advice}"
    ]
