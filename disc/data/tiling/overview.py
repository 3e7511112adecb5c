"""A picture of a whole slide: its tissue, its mask, and which tiles were kept and dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from disc.data.pixels.images import Pixels
from disc.data.pixels.mask_colours import colour_mask, name_colours
from disc.data.pixels.picture_legend import draw_bar, draw_column, draw_rows
from disc.data.wsi.annotation import Labels
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.labels import Colour, Label

_LONG_SIDE_PX = 1600
_SHORTEST_PX = 700
"""A level of the pyramid with a long side of so many pixels is taken as it is."""
_TISSUE: Colour = (0, 140, 60)
_KEPT: Colour = (40, 60, 200)
_DROPPED: Colour = (20, 20, 20)
_OPACITY = 0.6
"""Of the mask's colours over the slide."""
_GAP_PX = 6

Corners = Iterable[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What there is to see of a slide.

    Attributes:
        scan: the slide.
        annotation: its mask, if it has one.
        tissue: where there is tissue, at any resolution [h, w].
        kept: level-0 x and y of each tile that was written.
        dropped: the same of places with tissue, but too little of it for a tile.
        side: side of a tile in level-0 pixels.
    """

    scan: Scan
    annotation: Labels | None
    tissue: npt.NDArray[np.bool_]
    kept: Sequence[tuple[int, int]]
    dropped: Sequence[tuple[int, int]]
    side: float


def draw_overview(overview: Overview) -> Pixels:
    """The slide with outline and grid, beside it its mask, and what the colours mean.

    Returns:
        uint8 [H, W, 3]. Panels of a tall slide stand side by side, of a wide one below each other.
    """
    scan = overview.scan
    long_side = max(scan.width, scan.height)
    _, down, _ = scan.level_for(max(1.0, long_side / _SHORTEST_PX))
    scale = max(down, long_side / _LONG_SIDE_PX)
    slide = scan.read_whole(scale * scan.um_per_px)
    labels = _read_labels(overview.annotation, slide, scale)
    panels = [_draw_tiles(slide, overview, scale)]
    entries = [("tissue", _TISSUE), ("tile, kept", _KEPT)]
    entries += [("dropped: too little tissue", _DROPPED)] if overview.dropped else []
    if labels is not None:
        panels.append(_draw_labels(slide, labels, _resize(overview.tissue, slide)))
        entries += name_colours()
    panels = [_with_bar(panel, scale * scan.um_per_px) for panel in panels]
    return _arrange(panels, entries, is_tall=scan.height > scan.width)


def _read_labels(annotation: Labels | None, slide: Pixels, scale: float) -> Pixels | None:
    """The mask at every other pixel of the picture, repeated; None where there is none to show."""
    if annotation is None:
        return None
    height, width, _ = slide.shape
    try:
        half = annotation.read(0, 0, (-(-width // 2), -(-height // 2)), 2 * scale)
        return half.repeat(2, 0)[:height].repeat(2, 1)[:, :width]
    except BadInput:
        # A value without a meaning in a tile is refused there; elsewhere it spoils this picture
        # alone, which is no reason to refuse the slide.
        return None


def _draw_tiles(slide: Pixels, overview: Overview, scale: float) -> Pixels:
    """The slide with its grid, and the outline of its tissue on top."""
    picture = Image.fromarray(slide)
    for corners, colour in ((overview.dropped, _DROPPED), (overview.kept, _KEPT)):
        picture.paste(colour, mask=_draw_grid(picture.size, corners, overview.side, scale))
    pixels = np.array(picture)
    pixels[_outline(_resize(overview.tissue, slide))] = _TISSUE
    return pixels


def _draw_grid(size: tuple[int, int], corners: Corners, side: float, scale: float) -> Image.Image:
    grid = Image.new("L", size)
    pen = ImageDraw.Draw(grid)
    for x, y in corners:
        pen.rectangle([x / scale, y / scale, (x + side) / scale, (y + side) / scale], outline=150)
    return grid


def _draw_labels(slide: Pixels, labels: Pixels, tissue: npt.NDArray[np.bool_]) -> Pixels:
    """The slide under its mask's colours; glass that the mask calls Non-Cancer stays as it is."""
    opacity = np.where((labels == Label.NC) & ~tissue, 0, round(255 * _OPACITY)).astype(np.uint8)
    picture = Image.fromarray(slide)
    picture.paste(Image.fromarray(colour_mask(labels)), mask=Image.fromarray(opacity))
    return np.array(picture)


def _resize(tissue: npt.NDArray[np.bool_], slide: Pixels) -> npt.NDArray[np.bool_]:
    size = slide.shape[1], slide.shape[0]
    return np.asarray(Image.fromarray(tissue).resize(size, Image.Resampling.NEAREST))


def _with_bar(panel: Pixels, um_per_px: float) -> Pixels:
    picture = Image.fromarray(panel)
    draw_bar(picture, um_per_px)
    return np.array(picture)


def _arrange(
    panels: Sequence[Pixels], entries: Sequence[tuple[str, Colour]], *, is_tall: bool
) -> Pixels:
    """Panels with white gaps, and the legend where there is room."""
    height, width, _ = panels[0].shape
    axis, gap = (1, (height, _GAP_PX, 3)) if is_tall else (0, (_GAP_PX, width, 3))
    parts = [panels[0]]
    for panel in panels[1:]:
        parts += [np.full(gap, 255, np.uint8), panel]
    picture = np.concatenate(parts, axis)
    if not is_tall:
        return np.concatenate([picture, draw_rows(entries, width)])
    column = draw_column(entries, height)
    missing = len(column) - height
    if missing > 0:
        picture = np.pad(picture, ((0, missing), (0, 0), (0, 0)), constant_values=255)
    return np.concatenate([picture, column], 1)


def _outline(shape: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pixels of a shape that touch what is outside of it, bool [H, W]."""
    is_edge = np.zeros_like(shape)
    for edge, side in ((is_edge, shape), (is_edge.T, shape.T)):
        changes = side[1:] != side[:-1]
        edge[1:] |= changes
        edge[:-1] |= changes
    return is_edge & shape
