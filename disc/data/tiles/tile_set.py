"""Sets of tiles; pixels are read on demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from disc.data.pixels.images import Pixels as Pixels
from disc.data.tiles.decoding import Reading
from disc.data.tiles.records import Slide, Tile


@dataclass(frozen=True, kw_only=True)
class TileSet:
    """Slides and their tiles; pixels are read on demand.

    Attributes:
        tile_px: side that every image and mask must have, or is brought to.
        reading: how files become tiles and masks.
        notes: what the reader decided, and what it left out; a line each, for people.
    """

    slides: Mapping[str, Slide]
    tiles: tuple[Tile, ...]
    tile_px: int
    reading: Reading = field(default_factory=Reading)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.tiles)

    def image(self, index: int) -> Pixels:
        """Tile `index`, uint8 [H, W, 3]."""
        return self.reading.image(self.tiles[index], self.tile_px)

    def jpeg(self, index: int) -> bytes | None:
        """The file of tile `index`, if it is a JPEG of the very pixels that `image` gives."""
        return self.reading.jpeg(self.tiles[index], self.tile_px)

    def mask(self, index: int) -> Pixels:
        """Mask of tile `index`, uint8 [H, W]: 0 NC, 1 GG3, 2 GG4, 3 GG5, 255 ignore."""
        tile = self.tiles[index]
        return self.reading.mask(tile, self.slides[tile.slide_id].provider, self.tile_px)

    def bag(self, slide_id: str) -> list[int]:
        """Indices of the tiles of one slide."""
        return [i for i, tile in enumerate(self.tiles) if tile.slide_id == slide_id]

    def only(self, indices: Iterable[int]) -> TileSet:
        """The set of some of the tiles, and of the slides that they come from."""
        tiles = tuple(self.tiles[i] for i in indices)
        kept = {tile.slide_id for tile in tiles}
        slides = {key: slide for key, slide in self.slides.items() if key in kept}
        return replace(self, slides=slides, tiles=tiles)
