"""Sets of other layouts, LAPC's or any folder's, listed by their readers."""

from __future__ import annotations

import warnings
from dataclasses import replace

from disc.data.check.contents import Contents, Item
from disc.data.check.report import Case
from disc.data.pixels.mask_values import Meaning
from disc.data.readers.read import read_source
from disc.data.readers.source import Kind, Source
from disc.data.tiles.records import Tile
from disc.labels import IGNORE

_PARTS = {"train": "Test/Train", "test": "Test/Test"}


def list_source(source: Source, kind: Kind, name: str) -> Contents:
    """List a set by its reader; what the reader left out is a finding.

    Raises:
        FileNotFoundError: if a folder or table is missing.
        BadInput: if the reader refuses the set as a whole.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        # Images are decoded as they are, of any size and shape; the side of a tile is not needed.
        tiles = read_source(replace(source, tile_px=source.tile_px or 1))
    layers = Meaning(dict.fromkeys(range(256), IGNORE))
    contents = Contents(
        name=name,
        root=source.root,
        kind=kind,
        slides=dict(tiles.slides),
        meaning=layers if source.layers else tiles.reading.meaning,
        items=[item for tile in tiles.tiles for item in _items(tile)],
    )
    contents.num_masks = sum(item.mask is not None for item in contents.items)
    for tile in tiles.tiles:
        if tile.split:
            contents.parts.setdefault(_PARTS[tile.split], {})[tile.name] = tile.label
    unmasked = [item for item in contents.items if item.mask is None]
    contents.warning(
        "missing-mask",
        (f"{len(unmasked)} image(s) without a mask", "a mask for every image", "restore the masks"),
        [item.case(item.name) for item in unmasked],
    )
    contents.warning(
        "reader-notes",
        (
            f"{len(tiles.notes)} thing(s) that the reader decided or left out",
            "what you know of the set",
            "give the options that say otherwise, if one is wrong",
        ),
        [Case(note=note) for note in tiles.notes],
    )
    return contents


def _items(tile: Tile) -> list[Item]:
    """An image with its mask, and once more with each further mask."""
    masks = (tile.mask, *tile.more_masks)
    return [
        Item(
            name=tile.name,
            image=tile.image,
            mask=mask,
            rater=number,
            slide_id=tile.slide_id,
            x=tile.x,
            y=tile.y,
            label=tile.label,
        )
        for number, mask in enumerate(masks)
    ]
