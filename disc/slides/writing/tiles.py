"""Tiles of a map with their mean probabilities: WSInfer's table and ours, and QuPath's tiles."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.labels import Label
from disc.slides.reading.canvas import Canvas
from disc.slides.reading.map_grid import Box, MapGrid
from disc.slides.writing.geojson import Stamp, tile_feature

COLUMNS = ("minx", "miny", "width", "height", *(f"prob_{label.name}" for label in Label))
"""WSInfer's."""
OWN_COLUMNS = ("x", "y", "mpp", "tissue", "entropy", "label")
MIN_TISSUE = 0.1
"""Of a tile, for it to be listed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TileReading:
    """A tile of the map.

    Attributes:
        left: level-0 column of its left edge; the others likewise.
        probabilities: means over its tissue, [4], summing to 1.
        tissue: fraction of it.
    """

    left: int
    top: int
    right: int
    bottom: int
    probabilities: npt.NDArray[np.float64]
    tissue: float = 1.0

    @property
    def label(self) -> Label:
        """The likeliest label."""
        return Label(int(self.probabilities.argmax()))

    @property
    def entropy(self) -> float:
        """Of the probabilities, in nats: 0 is sure, 1.39 is anything."""
        known = self.probabilities.clip(1e-12)
        return float(-(known * np.log(known)).sum())

    @property
    def measurements(self) -> dict[str, float]:
        """Numbers by name, for QuPath's measurement maps."""
        named = {f"prob_{label.name}": float(self.probabilities[label]) for label in Label}
        return {name: round(value, 4) for name, value in {**named, "entropy": self.entropy}.items()}


def list_tiles(canvas: Canvas, grid: MapGrid, tile_px: int) -> Iterator[TileReading]:
    """Tiles beside each other, row by row, that have tissue enough.

    Args:
        canvas: the finest map.
        grid: its place on the slide.
        tile_px: side of a tile on the map.
    """
    across, down = grid.edges
    for y in range(0, canvas.height, tile_px):
        for x in range(0, canvas.width, tile_px):
            right, bottom = min(x + tile_px, canvas.width), min(y + tile_px, canvas.height)
            means, tissue = canvas.means(Box(x, y, right - x, bottom - y))
            if tissue < MIN_TISSUE:
                continue
            yield TileReading(
                left=int(across[x]),
                top=int(down[y]),
                right=int(across[right]),
                bottom=int(down[bottom]),
                probabilities=means,
                tissue=tissue,
            )


def write_table(path: Path, tiles: Iterable[TileReading], mpp: float | None) -> int:
    """Write `tiles.csv`; how many tiles there were.

    Args:
        path: of the file.
        tiles: in their order.
        mpp: micrometres per level-0 pixel.
    """
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *OWN_COLUMNS])
        for tile in tiles:
            size = tile.right - tile.left, tile.bottom - tile.top
            scores = [f"{value:.6f}" for value in tile.probabilities]
            own = [tile.left, tile.top, "" if mpp is None else f"{mpp:.6g}"]
            own += [f"{tile.tissue:.4f}", f"{tile.entropy:.6f}", tile.label.name]
            writer.writerow([tile.left, tile.top, *size, *scores, *own])
            count += 1
    return count


def tile_features(tiles: Iterable[TileReading], stamp: Stamp) -> Iterator[dict[str, Any]]:
    """Tiles as QuPath's detections."""
    x, y = stamp.bounds
    for number, tile in enumerate(tiles):
        corners = tile.left - x, tile.top - y, tile.right - x, tile.bottom - y
        name = stamp.name("tile", number)
        yield tile_feature(corners, tile.label.name, tile.measurements, name)
