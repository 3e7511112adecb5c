"""Legends and scale bars for pictures that are drawn without a plotting library."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from disc.labels import Colour

Pixels = npt.NDArray[np.uint8]

INK: Colour = (25, 25, 25)
WHITE: Colour = (255, 255, 255)
_FONT_PX = 14
_SWATCH_PX = 14
_LINE_PX = 24
_MARGIN_PX = 10
_NUM_COLOURS = 160
_LARGE = 2**17
"""Pixels of a picture whose colours are told from a part of it."""


def choose_bar_um(width_um: float) -> float:
    """Length of a scale bar in micrometres: 1, 2 or 5 times a power of ten, a third of a width.

    The longest such length that is not longer than a third of `width_um`.
    """
    power = 10.0 ** np.floor(np.log10(width_um / 3))
    return float(max(step * power for step in (1, 2, 5) if step * power <= width_um / 3))


def name_length(length_um: float) -> str:
    """A length in words of a scale bar: 50 µm, 2 mm."""
    return f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um:g} µm"


def draw_bar(picture: Image.Image, um_per_px: float) -> None:
    """Draw a scale bar with its length into the lower left corner of a picture, in place.

    Args:
        picture: RGB.
        um_per_px: width of its pixels in micrometres.
    """
    length_um = choose_bar_um(min(picture.size) * um_per_px)
    length, text = round(length_um / um_per_px), name_length(length_um)
    pen, bottom = ImageDraw.Draw(picture), picture.height - _MARGIN_PX
    width = max(length, round(_font().getlength(text)))
    box = [4, bottom - _LINE_PX - 2, _MARGIN_PX + width + 6, picture.height - 4]
    pen.rectangle(box, fill=WHITE)
    pen.rectangle([_MARGIN_PX, bottom - 4, _MARGIN_PX + length - 1, bottom], fill=INK)
    pen.text((_MARGIN_PX, bottom - _LINE_PX), text, fill=INK, font=_font())


Entry = tuple[str, Colour | None]
"""A name and its colour; None: a note, which is no colour of the picture."""


def draw_column(entries: Sequence[Entry], height: int) -> Pixels:
    """A legend to stand at the right of a picture, a line an entry: uint8 [height, W, 3]."""
    width = max(_entry_width(entry) for entry in entries) + _MARGIN_PX
    picture = Image.new("RGB", (width, max(height, _LINE_PX * len(entries) + _MARGIN_PX)), WHITE)
    for line, entry in enumerate(entries):
        _draw_entry(picture, (_MARGIN_PX, _MARGIN_PX + line * _LINE_PX), entry)
    return np.array(picture)


def draw_rows(entries: Sequence[Entry], width: int) -> Pixels:
    """A legend to stand below a picture, in as many rows as it needs: uint8 [H, width, 3]."""
    places, x, y = [], _MARGIN_PX, _MARGIN_PX
    for entry in entries:
        if x > _MARGIN_PX and x + _entry_width(entry) > width:
            x, y = _MARGIN_PX, y + _LINE_PX
        places.append((x, y))
        x += _entry_width(entry)
    picture = Image.new("RGB", (width, y + _LINE_PX + _MARGIN_PX // 2), WHITE)
    for place, entry in zip(places, entries, strict=True):
        _draw_entry(picture, place, entry)
    return np.array(picture)


def encode_small_png(picture: Image.Image) -> bytes:
    """A picture as PNG of 160 colours; those of masks and legends stay as they are, or nearly so.

    Args:
        picture: RGB.
    """
    # Every third row and column tells the colours of a large picture thirty times as fast.
    step = 3 if picture.width * picture.height > _LARGE else 1
    thin = picture.resize((picture.width // step, picture.height // step), Image.Resampling.NEAREST)
    # The median cut would tint a legend's small grey square with the tissue's purple.
    method = Image.Quantize.MAXCOVERAGE
    palette = thin.quantize(_NUM_COLOURS, method=method, kmeans=3, dither=Image.Dither.NONE)
    small = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw_entry(picture: Image.Image, place: tuple[int, int], entry: Entry) -> None:
    (x, y), (name, colour), pen = place, entry, ImageDraw.Draw(picture)
    if colour is not None:
        pen.rectangle([x, y + 2, x + _SWATCH_PX, y + 2 + _SWATCH_PX], fill=colour, outline=INK)
        x += _SWATCH_PX + 6
    pen.text((x, y), name, fill=INK, font=_font())


def _entry_width(entry: Entry) -> int:
    name, colour = entry
    swatch = 0 if colour is None else _SWATCH_PX + 6
    return swatch + 18 + round(_font().getlength(name))


@cache
def _font() -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, which is not loaded; Pillow's own has no µ."""
    spec = find_spec("matplotlib")
    assert spec is not None and spec.origin is not None, "matplotlib is a requirement"
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), _FONT_PX)
