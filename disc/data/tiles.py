"""The records that every data set gives: slides, tiles, and sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from disc.data import images
from disc.data.images import Pixels as Pixels
from disc.labels import Label


@dataclass(frozen=True, kw_only=True, slots=True)
class Slide:
    """A whole-slide image or biopsy; grades are None where nobody scored it."""

    slide_id: str
    patient_id: str
    primary: int | None = None
    secondary: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """One tile on disk, with its place on the slide."""

    name: str
    """Stem of the file, unique in its set."""
    slide_id: str
    image: Path
    mask: Path | None
    x: int
    y: int
    """Top-left corner at level 0 of the slide, in pixels."""
    label: Label | None = None
    """The tile's label in the workbook; None: not listed there."""


@dataclass(frozen=True, kw_only=True)
class TileSet:
    """Slides and their tiles; pixels are read on demand.

    Attributes:
        tile_px: side that every image and mask must have.
    """

    slides: Mapping[str, Slide]
    tiles: tuple[Tile, ...]
    tile_px: int

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.tiles)

    def image(self, index: int) -> Pixels:
        """Tile `index`, uint8 [H, W, 3]."""
        return images.read_image(self.tiles[index].image, self.tile_px)

    def mask(self, index: int) -> Pixels:
        """Mask of tile `index`, uint8 [H, W]: 0 NC, 1 GG3, 2 GG4, 3 GG5, 255 ignore."""
        return images.read_mask(self.tiles[index].mask, self.tile_px, of=self.tiles[index].image)

    def bag(self, slide_id: str) -> list[int]:
        """Indices of the tiles of one slide."""
        return [i for i, tile in enumerate(self.tiles) if tile.slide_id == slide_id]

    def only(self, indices: Iterable[int]) -> TileSet:
        """The set of some of the tiles, and of the slides that they come from."""
        tiles = tuple(self.tiles[i] for i in indices)
        kept = {tile.slide_id for tile in tiles}
        slides = {key: slide for key, slide in self.slides.items() if key in kept}
        return replace(self, slides=slides, tiles=tiles)
