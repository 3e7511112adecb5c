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
    if wrong := sorted(set(np.unique(masks).tolist()) - set(SICAPV2.grades)):
        raise BadInput(f"mask value {wrong[0]}; SICAPv2's masks hold 0, 3, 4, 5 or 255")
    classes: Masks = SICAPV2.table[masks]
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
    is_empty = (stack == IGNORE).all(axis=(1, 2))
    if is_empty.any():
        raise BadInput(f"mask {int(is_empty.argmax())}: 255 everywhere; nothing is asked for")
    return stack.astype(np.uint8)


def check_tiles(array: Tiles) -> Tiles:
    """Tiles uint8 [N, H, W, 3] of one or of many.

    Raises:
        BadInput: if they are none.
    """
    stack = array[None] if array.ndim == 3 else array
    if stack.ndim != 4 or stack.shape[-1] != 3 or stack.dtype != np.uint8 or not len(stack):
        raise BadInput(f"tiles of shape {array.shape}, {array.dtype}; expected uint8 [N, H, W, 3]")
    return stack


def spread_seed(seed: int | Sequence[int], num: int) -> list[int]:
    """A seed a tile, of one for all or of as many.

    Raises:
        BadInput: if there are not as many.
    """
    if isinstance(seed, int | np.integer):
        return [derive(int(seed), "sample", i) for i in range(num)]
    seeds = [int(one) for one in seed]
    if len(seeds) != num:
        raise BadInput(f"{len(seeds)} seeds for {num} mask(s); give one a mask, or one number")
    return seeds
