"""Sheets of tiles and masks as figures, with a legend and a scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from disc.data.pixels.mask_colours import name_colours
from disc.data.pixels.picture_legend import choose_bar_um, name_length
from disc.labels import Palette
from disc.report.pictures import Cell

_CELL_INCHES = 1.3
_HEAD_INCHES = 0.25
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
    num_columns = max(len(line) for line in lines)
    named = [Patch(facecolor=np.divide(c, 255), label=n) for n, c in name_colours(palette)]
    width = _CELL_INCHES * num_columns
    in_a_row = min(len(named), max(1, int(width / _ENTRY_INCHES)))
    foot_inches = _FOOT_INCHES + _ROW_INCHES * ceil(len(named) / in_a_row)
    height = _CELL_INCHES * len(strips) + _HEAD_INCHES + foot_inches
    figure = Figure(figsize=(width, height), layout="constrained")
    foot = foot_inches / height
    figure.get_layout_engine().set(  # type: ignore[union-attr]
        w_pad=0.02,  # type: ignore[call-arg]
        h_pad=0.02,
        wspace=0,
        hspace=0,
        rect=(0, foot, 1, 1 - foot),
    )
    grid = figure.subplots(len(strips), num_columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for i, strip in enumerate(strips):
        for j, cell in enumerate(strip):
            _draw_cell(grid[i, j], cell, has_heading=i == 0 or _differs(cell, strips[0][j]))
    for i, strip in enumerate(strips):
        first = strip[0]
        if um_per_px is not None and isinstance(first, Cell) and not first.is_mask:
            _draw_bar(grid[i, 0], first, um_per_px)
    if any(cell.is_mask for line in lines for cell in line):
        figure.legend(handles=named, loc="lower center", ncols=in_a_row, fontsize=8, frameon=False)
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


def _differs(cell: Cell | str, first: Cell | str) -> bool:
    """Whether a cell has a heading of its own, other than its column's."""
    if isinstance(cell, str) or isinstance(first, str):
        return False
    return cell.heading not in ("", first.heading)


def _draw_cell(axes: Axes, cell: Cell | str, *, has_heading: bool) -> None:
    if isinstance(cell, str):
        axes.text(0.5, 0.5, cell, ha="center", va="center", fontsize=8)
        return
    axes.imshow(cell.pixels, interpolation="nearest" if cell.is_mask else "bicubic")
    if has_heading:
        axes.set_title(cell.heading, fontsize=8)


def _draw_bar(axes: Axes, cell: Cell, um_per_px: float) -> None:
    """A scale bar in the lower left corner, on a light ground."""
    side = len(cell.pixels)
    length_um = choose_bar_um(side * um_per_px)
    left, bottom, thick = 0.05 * side, 0.94 * side, 0.025 * side
    width = length_um / um_per_px
    ground = Rectangle((0, 0.78 * side), width + 2 * left, 0.22 * side, color="white", alpha=0.8)
    axes.add_patch(ground)
    axes.add_patch(Rectangle((left, bottom - thick), width, thick, color="black", linewidth=0))
    middle, text = left + width / 2, name_length(length_um)
    axes.text(middle, bottom - 1.5 * thick, text, ha="center", va="bottom", fontsize=6)
