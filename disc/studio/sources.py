"""Where masks come from: a PNG, a real tile, a recipe."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from disc.api import Model
from disc.asked import Masks
from disc.data.pixels.images import encode_png, tell_faults
from disc.data.pixels.mask_values import INDICES, SICAPV2, UNEXPLAINED
from disc.data.pixels.strict import decode
from disc.files import BadInput, require
from disc.labels import IGNORE, NAMES, label_of_grade
from disc.seeds import numpy_generator
from disc.studio.pictures import check_mask

MEANINGS = {"sicapv2": SICAPV2, "classes": INDICES}
"""What the values of a PNG mean; nobody can tell 0 and 3 apart from classes without being told."""
LOOKED_AT, DRAWN = 64, 12
"""Real masks that are looked at, for one with two labels; masks of a recipe that are drawn, for one
with both grades."""
_PNG = b"\x89PNG\r\n\x1a\n"
"""With which every PNG begins."""


def parse_png(data: bytes, side: int, values: str) -> Masks:
    """Classes, uint8 [H, W], of a PNG.

    Args:
        data: the file.
        side: that it must have, in pixels.
        values: `sicapv2` for 0, 3, 4, 5 or `classes` for 0 to 3; 255 is unknown in both.

    Raises:
        BadInput: in a sentence, if it is no such mask. Its size is read before it is unpacked.
    """
    require(values in MEANINGS, "say what the values mean: sicapv2 or classes")
    require(bool(data), "the file is empty; choose a PNG")
    require(data.startswith(_PNG), "the file is not a PNG; masks are read from PNG alone")
    name = Path("the PNG")
    with tell_faults(name), Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        width, height = image.size
        require(
            width == height == side,
            f"the PNG has {width} x {height} px; masks of these weights have {side} x {side}",
        )
        require(
            image.mode in {"L", "P", "1"},
            f"the PNG has pixels of mode {image.mode}; expected 8-bit grey or palette values",
        )
        found = decode(image, name)
    meaning = MEANINGS[values]
    mask: Masks = meaning.table[found]
    wrong = found[mask == UNEXPLAINED]
    if wrong.size:
        other = next(key for key in MEANINGS if key != values)
        raise BadInput(
            f"the PNG holds the value {wrong.min()}; expected {meaning}; or are its values {other}?"
        )
    check_mask(mask)
    return mask


def pick_real(model: Model, seed: int) -> dict[str, Any]:
    """A test tile and its mask, by a seed; of two labels, if any of those looked at has two.

    Raises:
        BadInput: if there are no real tiles.
    """
    tiles = model.real_tiles("test")
    order = numpy_generator(seed, "real mask").permutation(len(tiles))[:LOOKED_AT].tolist()
    known = [(i, set(np.unique(tiles.mask(i)).tolist()) - {IGNORE}) for i in order]
    index, labels = max(known, key=lambda pair: min(2, len(pair[1])))  # the first of its kind
    require(bool(labels), "none of the test tiles looked at has a labelled pixel")
    tile = tiles.tiles[index]
    return {
        "name": tile.name,
        "mask": base64.b64encode(tiles.mask(index).tobytes()).decode(),
        "tile": base64.b64encode(encode_png(tiles.image(index))).decode(),
        "num": len(tiles),
    }


def pick_recipe(model: Model, primary: int, secondary: int, seed: int) -> Masks:
    """A mask for a Gleason score, by a seed.

    Of those drawn, the first with both grades; else one with the primary. Among equals, one with
    two labels goes first.

    Raises:
        BadInput: as `Model.recipe`.
    """
    masks = model.recipe(primary, secondary, tiles=DRAWN, seed=seed)

    def rank(mask: Masks) -> tuple[int, int, int]:
        lacking = tell_lacking(mask, primary, secondary)
        return (-len(lacking), name_grade(primary) not in lacking, min(2, len(np.unique(mask))))

    chosen: Masks = max(masks, key=rank)
    return chosen


def tell_lacking(mask: Masks, primary: int, secondary: int) -> list[str]:
    """Which grades of a score a mask does not hold, by their labels' names."""
    asked = dict.fromkeys((primary, secondary))
    return [name_grade(grade) for grade in asked if not (mask == label_of_grade(grade)).any()]


def name_grade(grade: int) -> str:
    """A grade by its label's name."""
    return NAMES[label_of_grade(grade)]
