"""Where windows lie: several coverings of the slide, each moved against the others.

A network reads a pixel differently where the window lies differently, above all by the place
within its own stride. On a square grid of windows few such places come up, and moving the grid
changes the map; on a lattice that is turned against the axes, many more come up.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from disc.files import BadInput

Floats = npt.NDArray[np.float32]
GENERATORS = {1: 0, 5: 2, 10: 3, 17: 4}
"""By the number of passes, how many places down a pass lies for one to the right: square lattices,
turned."""
STRIDE = 16
"""Of the network at its coarsest; windows are a multiple of twice as many pixels wide."""

_LITTLE_TRUST, _STEEPNESS = 1e-4, 8
"""Of windows that are half glass or more, which all count alike, and how fast it grows to the 1 of
those that hold none: one that is a tenth glass counts a sixth."""


def list_offsets(side: int, passes: int) -> list[tuple[int, int]]:
    """How far right and down the windows of each pass are moved; of the first, not at all.

    Windows of a pass are half a window apart, so moves are less than that.

    Args:
        side: of a window.
        passes: a key of `GENERATORS`.

    Raises:
        BadInput: if it is none.
    """
    check_passes(passes)
    half, generator = side // 2, GENERATORS[passes]
    reach = half
    # Else passes would lie a multiple of the stride apart, and read their pixels all alike.
    while math.gcd(reach // STRIDE, passes) > 2:
        reach += STRIDE
    places = [round(place * reach / passes) % half for place in range(passes)]
    return [(places[k], places[k * generator % passes]) for k in range(passes)]


def check_passes(passes: int) -> None:
    """Refuse a number of passes that makes no lattice.

    Raises:
        BadInput: if it is none of `GENERATORS`.
    """
    if passes not in GENERATORS:
        raise BadInput(f"passes: {passes}; choose one of {', '.join(map(str, GENERATORS))}")


def window_weights(side: int) -> Floats:
    """How much each pixel of a window counts in the map, float [side, side], least at its rim."""
    ramp = np.sin(np.pi * (np.arange(side) + 0.5) / side)
    return np.outer(ramp, ramp).astype(np.float32)


def trust(share: float) -> np.float32:
    """How much a window counts in the map, by the share of it that is tissue.

    Graders learn from tiles of which most is tissue, and beside glass they read Non-Cancer: at the
    rim of tissue, the windows that reach least over it have the say.
    """
    return np.float32(_LITTLE_TRUST + max(0.0, 2 * share - 1) ** _STEEPNESS)
