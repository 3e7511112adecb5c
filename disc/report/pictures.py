"""Tiles and masks as pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from disc.data.pixels.mask_colours import colour_mask
from disc.labels import Palette
from disc.report.run_summary import PixelRow, Pixels, SheetRow

MAX_PX = 256
"""Larger tiles are shown smaller, so that the page stays light."""
PNG_PX = 96
"""Larger tiles go into the page as JPEG (quality 92, 4:4:4)."""
COLUMNS = (
    *("real", "mask", "reconstruction"),
    *("sd", "sd-sc", "sd-disc", "sd-disc-cotrain", "sd-disc-fast"),
)
HEADINGS = {"real": "real tile"}
"""Of columns, where a name does not tell."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One picture of a sheet.

    Attributes:
        heading: of its column.
        pixels: uint8 [H, W, 3].
        is_mask: drawn without smoothing.
        reading: what the referee reads in it, uint8 [H, W, 3]; None: it was not read.
    """

    heading: str
    pixels: Pixels
    is_mask: bool = False
    reading: Pixels | None = None

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return embed(self.pixels, is_mask=self.is_mask)

    @property
    def reading_source(self) -> str:
        """The referee's map as a data URI; "" without one."""
        return "" if self.reading is None else embed(self.reading, is_mask=True)


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


def sheet_cells(rows: Sequence[SheetRow], palette: Palette = "safe") -> list[list[Cell]]:
    """The sheet of tiles: the real tile, its mask, and what was made of it, with readings."""
    return [
        [_sheet_cell(row, name, palette) for name in _columns(row) if name in (*row.images, "mask")]
        for row in rows
    ]


def _columns(row: SheetRow) -> list[str]:
    return [*COLUMNS, *sorted(set(row.images) - set(COLUMNS))]


def _sheet_cell(row: SheetRow, name: str, palette: Palette) -> Cell:
    if name == "mask":
        return Cell(heading="target mask", pixels=colour_mask(row.mask, palette), is_mask=True)
    reading = colour_mask(row.readings[name], palette) if name in row.readings else None
    return Cell(heading=HEADINGS.get(name, name), pixels=row.images[name], reading=reading)


def pixel_cells(rows: Sequence[PixelRow], palette: Palette = "safe") -> list[list[Cell]]:
    """Test tiles with their masks and what each pixel grader predicts."""
    lines = []
    for row in rows:
        masks = {"target": row.truth}
        if row.annotation is not None:
            masks["annotation"] = row.annotation
        for name, predicted in row.predictions.items():
            masks["real only" if name == "real" else f"+ {name}"] = predicted
        cells = [
            Cell(heading=name, pixels=colour_mask(mask, palette), is_mask=True)
            for name, mask in masks.items()
        ]
        lines.append([Cell(heading="real tile", pixels=row.image), *cells])
    return lines
