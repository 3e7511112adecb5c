"""Masks as coloured pictures, with the one palette that every picture has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from disc.labels import IGNORE, NAMES, PALETTES, UNKNOWN_COLOUR, Colour, Label, Palette

Pixels = npt.NDArray[np.uint8]


def colour_table(palette: Palette = "safe", unexplained: Colour = UNKNOWN_COLOUR) -> Pixels:
    """Colour of every value that a mask can hold, uint8 [256, 3].

    Args:
        palette: of the labels.
        unexplained: colour of values that are neither a label nor 255.
    """
    table = np.full((256, 3), unexplained, np.uint8)
    table[IGNORE] = UNKNOWN_COLOUR
    for label, colour in PALETTES[palette].items():
        table[label] = colour
    return table


def colour_mask(mask: Pixels, palette: Palette = "safe") -> Pixels:
    """A mask uint8 [H, W] of labels and 255 as a picture, uint8 [H, W, 3]."""
    picture: Pixels = colour_table(palette)[mask]
    return picture


def name_colours(palette: Palette = "safe") -> list[tuple[str, Colour]]:
    """What a legend of masks shows: every label's name and colour, and the unknown's."""
    named = [(NAMES[label], PALETTES[palette][label]) for label in Label]
    return [*named, ("unknown", UNKNOWN_COLOUR)]
