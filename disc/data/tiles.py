"""The records that every data set gives: slides, tiles, and sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from disc.data.images import Pixels as Pixels
from disc.data.reading import Reading
from disc.labels import Label

OfficialSplit = Literal["train", "test", ""]
"""Part that the makers of a set put a tile into; "": none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slide:
    """A whole-slide image or biopsy; grades are None where nobody scored it."""

    slide_id: str
    patient_id: str
    primary: int | None = None
    secondary: int | None = None
    provider: str = ""
    """Who scanned and annotated it, where a set comes from several places."""
    image: Path | None = None
    """The slide itself, where it is in the set."""
    mask: Path | None = None
    """Its mask, where it is in the set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """One tile, a file of its own or a box on a slide, with its place on the slide."""

    name: str
    """Unique in its set; of a file, its stem."""
    slide_id: str
    image: Path
    """File of the tile; the slide, if the tile is a box on it."""
    mask: Path | None
    """File of its mask, or of the slide's."""
    x: int
    y: int
    """Top-left corner at level 0 of the slide, in pixels."""
    label: Label | None = None
    """The tile's label in the workbook; None: not listed there."""
    is_cribriform: bool | None = None
    """Whether the tile is cribriform GG4; None: not said."""
    box_px: float | None = None
    """Side of the box in pixels at level 0 of the slide; None: the tile is a file."""
    um_per_px: float | None = None
    """Width of a pixel of the tile in micrometres, where it is known."""
    split: OfficialSplit = ""
    """Official part that the tile is in."""
    more_masks: tuple[Path, ...] = ()
    """Masks by other raters, or of other classes, beside the first."""


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
