"""Which tiles of a slide a grader looked at, as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from disc.data.pixels.images import Pixels
from disc.data.tiles.tile_set import TileSet
from disc.labels import GRADES

_INCHES = 1.3


class Tiles(Protocol):
    """Tiles uint8 [H, W, 3] of a slide, in the order of the bag: a list, or what reads them."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Pixels: ...


@dataclass(frozen=True)
class Bag:
    """Tiles of a slide of a set, each read when it is looked at: few of them are shown."""

    tiles: TileSet
    indices: Sequence[int]

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Pixels:
        """One of them, uint8 [H, W, 3]."""
        return self.tiles.image(self.indices[index])


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionSheet:
    """What a grader looked at in a few slides.

    Attributes:
        name: of the grader, and of what it learned from.
        slides: name and tiles.
        table: rows of `attention.parquet` of one data set and split.
    """

    name: str
    slides: Sequence[tuple[str, Tiles]]
    table: pd.DataFrame


def choose_slides(tiles: TileSet) -> list[tuple[str, Bag]]:
    """Name and tiles of the first slide of each primary grade."""
    chosen = []
    for grade in GRADES.values():
        found = (slide for slide in tiles.slides.values() if slide.primary == grade)
        if slide := next(found, None):
            chosen.append((slide.slide_id, Bag(tiles, tiles.bag(slide.slide_id))))
    return chosen


def attention_figures(sheets: Sequence[AttentionSheet]) -> dict[str, Figure]:
    """A figure of each sheet, by file name."""
    return {f"attention_{one.name}": draw_attention(one.slides, one.table) for one in sheets}


def draw_attention(
    slides: Sequence[tuple[str, Tiles]], attention: pd.DataFrame, most: int = 6
) -> Figure:
    """One row a slide: the tiles that counted most, from the left, each with its share.

    Args:
        slides: name and tiles.
        attention: rows of `attention.parquet` of one data set and split.
        most: tiles that are shown of a slide.

    Raises:
        ValueError: if a slide has other tiles than the table.
    """
    height = _INCHES * len(slides)
    figure = Figure(figsize=(_INCHES * most, height), layout="constrained")
    grid = figure.subplots(len(slides), most, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for row, (name, tiles) in enumerate(slides):
        shares = attention[attention["slide"] == name].sort_values("tile")["attention"].to_numpy()
        if len(shares) != len(tiles):
            raise ValueError(f"{name}: attention of {len(shares)} tiles; it has {len(tiles)}")
        for column, index in enumerate(np.argsort(-shares, kind="stable")[:most]):
            grid[row, column].imshow(tiles[int(index)])
            # a share of 1 / N is what each of N tiles has if all count alike
            grid[row, column].set_title(f"{shares[index] * len(tiles):.1f}x", fontsize=7)
        grid[row, 0].text(0, 1.25, name, fontsize=8, transform=grid[row, 0].transAxes)
    return figure
