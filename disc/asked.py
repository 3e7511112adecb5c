"""What callers give to the public door, checked: masks, tiles, seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from disc.data.pixels.mask_values import SICAPV2
from disc.files import BadInput
from disc.labels import IGNORE, Label
from disc.seeds import derive

Masks = npt.NDArray[np.uint8]
Tiles = npt.NDArray[np.uint8]


def masks_from_sicapv2(masks: npt.NDArray[np.integer]) -> Masks:
    """Masks of SICAPv2's values 0, 3, 4, 5 (and 255) as classes 0..3 (and 255), any shape.

    Raises:
        BadInput: if a value is none of these.
    """
    if not np.issubdtype(np.asarray(masks).dtype, np.integer):
        raise BadInput(f"masks of {np.asarray(masks).dtype}; expected whole numbers")
    if wrong := sorted(set(np.unique(masks).tolist()) - set(SICAPV2.grades)):
        raise BadInput(f"mask value {wrong[0]}; SICAPv2's masks hold 0, 3, 4, 5 or 255")
    classes: Masks = SICAPV2.table[np.asarray(masks)]
    return classes


def check_masks(masks: npt.NDArray[np.generic], side: int) -> Masks:
    """Masks of classes uint8 [N, H, W], of tiles of a side in pixels.

    Raises:
        BadInput: if they are none.
    """
    stack = masks[None] if masks.ndim == 2 else masks
    if stack.ndim != 3 or stack.shape[1:] != (side, side) or not len(stack):
        raise BadInput(
            f"masks of shape {masks.shape}; expected [N, {side}, {side}] or [{side}, {side}], "
            "the side of this run's tiles"
        )
    if not np.issubdtype(stack.dtype, np.integer):
        raise BadInput(f"masks of {stack.dtype}; expected classes as uint8")
    wrong = sorted(set(np.unique(stack).tolist()) - {*map(int, Label), IGNORE})
    if wrong:
        advice = "; give masks_from_sicapv2(masks)" if set(wrong) <= {4, 5} else ""
        raise BadInput(f"mask value {wrong[0]}; expected classes 0 to 3, or 255{advice}")
    for number, mask in enumerate(stack):
        refuse_empty(mask, f"mask {number}")
    return stack.astype(np.uint8)


def refuse_empty(mask: npt.NDArray[np.generic], name: object) -> None:
    """Refuse a mask [H, W] that asks for nothing.

    Args:
        mask: classes.
        name: of the mask or of its file, for the message.

    Raises:
        BadInput: if it is 255 everywhere.
    """
    if (mask == IGNORE).all():
        raise BadInput(f"{name}: 255 everywhere; nothing is asked for")


def check_tiles(array: Tiles, side: int) -> Tiles:
    """Tiles uint8 [N, H, W, 3] of a side in pixels, of one or of many.

    Raises:
        BadInput: if they are none.
    """
    stack = array[None] if array.ndim == 3 else array
    if stack.shape[1:] != (side, side, 3) or stack.dtype != np.uint8 or not len(stack):
        raise BadInput(
            f"tiles of shape {array.shape}, {array.dtype}; expected uint8 [N, {side}, {side}, 3], "
            "the side of this run's tiles"
        )
    return stack


def check_count(count: int, what: str) -> int:
    """A whole number, 1 or more.

    Args:
        count: that was given.
        what: is counted, for messages.

    Raises:
        BadInput: if it is none.
    """
    if not isinstance(count, int | np.integer) or count < 1:
        raise BadInput(f"{count} {what}; expected a whole number, 1 or more")
    return int(count)


def check_seed(seed: int) -> int:
    """A seed as Python's whole number: equal seeds of other types draw the same.

    Raises:
        BadInput: if it is no whole number.
    """
    if not isinstance(seed, int | np.integer):
        raise BadInput(f"seed {seed!r}; expected a whole number")
    return int(seed)


def spread_seed(seed: int | Sequence[int], num: int) -> list[int]:
    """A seed a tile, of one for all or of as many.

    Raises:
        BadInput: if there are not as many, or they are no whole numbers.
    """
    if isinstance(seed, int | np.integer):
        return [derive(int(seed), "sample", i) for i in range(num)]
    try:
        array = np.asarray(seed)
    except ValueError as error:  # rows of different lengths
        raise BadInput(f"seed {seed!r}; expected a whole number, or one a mask") from error
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or not len(array)):
        raise BadInput(f"seed {seed!r}; expected a whole number, or one a mask")
    if len(array) != num:
        raise BadInput(f"{len(array)} seeds for {num} mask(s); give one a mask, or one number")
    return [int(one) for one in array]
