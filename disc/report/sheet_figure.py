"""Sheets of tiles and masks as figures, with a legend and a scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from disc.data.pixels.mask_colours import name_colours
from disc.data.pixels.picture_legend import choose_bar_um, name_length
from disc.labels import Palette
from disc.report.pictures import Cell

_CELL_INCHES = 1.3
_GAP_INCHES = 0.04
"""Between pictures."""
_LINE_INCHES = 0.16
"""Height of a line of a heading."""
_TEXT: dict[str, Any] = {"fontsize": 8, "parse_math": False}
"""Names of files may hold a $."""
_FOOT_INCHES = 0.12
_ROW_INCHES, _ENTRY_INCHES = 0.18, 0.95
"""Of the legend: height of a row, width of an entry."""


def draw_sheet(
    lines: Sequence[Sequence[Cell]], um_per_px: float | None = None, palette: Palette = "safe"
) -> Figure:
    """A sheet as one figure: headings above the first line, the legend below the last.

    What the referee reads in tiles stands in a line of its own below them.

    Args:
        lines: of the sheet.
        um_per_px: width of the tiles' pixels in micrometres; None: unknown, no scale bar.
        palette: of the masks.
    """
    strips = [strip for line in lines for strip in _split(line)]
    headings = [_headings(strip, strips[0]) for strip in strips]
    heads = [_LINE_INCHES * max(text.count("\n") + bool(text) for text in row) for row in headings]
    width = _CELL_INCHES * max(len(line) for line in lines)
    is_named = any(cell.is_mask for line in lines for cell in line)
    named = [Patch(facecolor=np.divide(c, 255), label=n) for n, c in name_colours(palette)]
    columns = min(len(named), max(1, int(width / _ENTRY_INCHES)))
    foot = _FOOT_INCHES + _ROW_INCHES * ceil(len(named) / columns) if is_named else 0.0
    height = _CELL_INCHES * len(strips) + sum(heads) + foot
    figure = Figure(figsize=(width, height))
    # One pair of axes for all, in inches from the upper left corner: axes for every picture, laid
    # out by matplotlib, take ten times as long.
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    for i, strip in enumerate(strips):
        top = _CELL_INCHES * i + sum(heads[: i + 1])
        for j, cell in enumerate(strip):
            _draw_cell(axes, cell, (_CELL_INCHES * j, top), headings[i][j])
        tiles = [(j, c) for j, c in enumerate(strip) if isinstance(c, Cell) and not c.is_mask]
        if um_per_px is not None and tiles:
            column, first = tiles[0]
            _draw_bar(axes, first, (_CELL_INCHES * column, top), um_per_px)
    if is_named:
        figure.legend(handles=named, loc="lower center", ncols=columns, fontsize=8, frameon=False)
    return figure


def _split(line: Sequence[Cell]) -> list[list[Cell | str]]:
    """The line, and below it what the referee reads in its tiles; "" where there is nothing."""
    below = [
        "" if c.reading is None else Cell(heading="", pixels=c.reading, is_mask=True) for c in line
    ]
    if not any(below):
        return [list(line)]
    named = ["as read by\nthe referee" if cell.is_mask else "" for cell in line]
    return [list(line), [one or other for one, other in zip(below, named, strict=True)]]


def _headings(strip: Sequence[Cell | str], first: Sequence[Cell | str]) -> list[str]:
    """Of each cell: in the first line all, below it those that are other than their column's."""
    own, above = (
        [cell.heading if isinstance(cell, Cell) else "" for cell in row] for row in (strip, first)
    )
    if strip is first:
        return own
    return ["" if text == over else text for text, over in zip(own, above, strict=False)]


def _scale(cell: Cell) -> float:
    """Inches of a picture's pixel."""
    side: int = max(cell.pixels.shape[:2])
    return (_CELL_INCHES - _GAP_INCHES) / side


def _draw_cell(axes: Axes, cell: Cell | str, corner: tuple[float, float], heading: str) -> None:
    left, top = corner
    middle = left + _CELL_INCHES / 2
    if isinstance(cell, str):
        axes.text(middle, top + _CELL_INCHES / 2, cell, ha="center", va="center", **_TEXT)
        return
    high, wide = (_scale(cell) * side for side in cell.pixels.shape[:2])
    top += _GAP_INCHES / 2
    axes.imshow(
        cell.pixels,
        interpolation="nearest" if cell.is_mask else "bicubic",
        extent=(middle - wide / 2, middle + wide / 2, top + high, top),
        aspect="auto",
    )
    if heading:
        axes.text(middle, top - _GAP_INCHES / 2, heading, ha="center", va="bottom", **_TEXT)


def _draw_bar(axes: Axes, cell: Cell, corner: tuple[float, float], um_per_px: float) -> None:
    """A scale bar in the lower left corner of the first tile of a line, on a light ground."""
    side = len(cell.pixels) * _scale(cell)
    length_um = choose_bar_um(len(cell.pixels) * um_per_px)
    start, edge = (place + _GAP_INCHES / 2 for place in corner)
    left, bottom, thick = start + 0.05 * side, edge + 0.94 * side, 0.025 * side
    width = length_um / um_per_px * _scale(cell)
    ground = (start, edge + 0.78 * side), width + 0.1 * side, 0.22 * side
    axes.add_patch(Rectangle(*ground, color="white", alpha=0.8, linewidth=0))
    axes.add_patch(Rectangle((left, bottom - thick), width, thick, color="black", linewidth=0))
    middle, text = left + width / 2, name_length(length_um)
    axes.text(middle, bottom - 1.5 * thick, text, ha="center", va="bottom", fontsize=6)
