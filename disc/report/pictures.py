"""Tiles and masks as pictures: single ones inside the page, whole sheets as files."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from disc.labels import COLOURS, IGNORE
from disc.report.run_summary import PixelRow, Pixels, SheetRow

MAX_PX = 256
"""Larger tiles are shown smaller, so that the page stays light."""
PNG_PX = 96
"""Larger tiles go into the page as JPEG (quality 92, 4:4:4)."""
GREY = (160, 160, 160)
COLUMNS = ("real", "mask", "reconstruction", "sd", "sd-sc", "sd-disc", "sd-disc-cotrain")


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One picture of a sheet.

    Attributes:
        heading: of its column.
        pixels: uint8 [H, W, 3].
        is_mask: drawn without smoothing.
    """

    heading: str
    pixels: Pixels
    is_mask: bool = False

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return embed(self.pixels, is_mask=self.is_mask)


def color_mask(mask: Pixels) -> Pixels:
    """The colours of the paper for a mask, uint8 [H, W, 3]; grey where the label is unknown."""
    palette = np.full((IGNORE + 1, 3), GREY, np.uint8)
    for label, colour in COLOURS.items():
        palette[label] = colour
    generated: Pixels = palette[mask]
    return generated


def embed(pixels: Pixels, *, is_mask: bool = False) -> str:
    """A picture as a data URI."""
    image = Image.fromarray(pixels)
    if max(image.size) > MAX_PX:
        how = Image.Resampling.NEAREST if is_mask else Image.Resampling.LANCZOS
        image.thumbnail((MAX_PX, MAX_PX), how)
    buffer = io.BytesIO()
    if is_mask or max(image.size) <= PNG_PX:
        image.save(buffer, "PNG", optimize=True)
        return as_uri(buffer.getvalue(), "image/png")
    image.save(buffer, "JPEG", quality=92, subsampling=0)
    return as_uri(buffer.getvalue(), "image/jpeg")


def as_uri(data: bytes, kind: str) -> str:
    """Bytes of a media type as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def sheet_cells(rows: Sequence[SheetRow]) -> list[list[Cell]]:
    """The sheet of tiles: the real tile, its mask, and what was made of it."""
    lines = []
    for row in rows:
        pictures = {**row.images, "mask": color_mask(row.mask)}
        names = [*COLUMNS, *sorted(set(pictures) - set(COLUMNS))]
        lines.append(
            [
                Cell(heading=name, pixels=pictures[name], is_mask=name == "mask")
                for name in names
                if name in pictures
            ]
        )
    return lines


def pixel_cells(rows: Sequence[PixelRow]) -> list[list[Cell]]:
    """Test tiles with their masks and what each pixel grader reads."""
    lines = []
    for row in rows:
        masks = {"truth": row.truth}
        if row.annotation is not None:
            masks["annotation"] = row.annotation
        for name, read in row.predictions.items():
            masks["real only" if name == "real" else f"+ {name}"] = read
        cells = [Cell(heading=k, pixels=color_mask(v), is_mask=True) for k, v in masks.items()]
        lines.append([Cell(heading="tile", pixels=row.image), *cells])
    return lines


def draw_sheet(lines: Sequence[Sequence[Cell]]) -> Figure:
    """A sheet as one figure, headings above the first line."""
    num_columns = max(len(line) for line in lines)
    figure = Figure(figsize=(1.3 * num_columns, 1.3 * len(lines) + 0.25), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(len(lines), num_columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for i, line in enumerate(lines):
        for j, cell in enumerate(line):
            how = "nearest" if cell.is_mask else "bicubic"
            grid[i, j].imshow(cell.pixels, interpolation=how)
            if i == 0 or cell.heading != lines[0][j].heading:
                grid[i, j].set_title(cell.heading, fontsize=8)
    return figure
