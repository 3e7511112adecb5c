"""Where windows lie: several coverings of the slide, each moved against the others.

A network reads a pixel differently where the window lies differently, above all by the place
within its own stride. On a square grid of windows few such places come up, and moving the grid
changes the map; on a lattice along whose axes no two coverings are alike, all come up.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
GENERATORS = {1: 1, 4: 1, 8: 3, 10: 3, 12: 5, 16: 7}
"""By the number of passes, how many places down a pass lies for one to the right."""


def list_offsets(side: int, passes: int) -> list[tuple[int, int]]:
    """How far right and down the windows of each pass are moved; of the first, not at all.

    Windows of a pass are half a window apart, so moves are less than that.

    Args:
        side: of a window.
        passes: a key of `GENERATORS`.
    """
    half, generator = side // 2, GENERATORS[passes]
    places = [round(place * half / passes) for place in range(passes)]
    return [(places[k], places[k * generator % passes]) for k in range(passes)]


def window_weights(side: int) -> Floats:
    """How much each pixel of a window counts in the map, float [side, side], least at its rim."""
    ramp = np.sin(np.pi * (np.arange(side) + 0.5) / side)
    return np.outer(ramp, ramp).astype(np.float32)


def weight_sums(side: int, passes: int) -> Floats:
    """Weights of all windows over a pixel, float [side / 2, side / 2]; it repeats over the map."""
    half = side // 2
    of_one = window_weights(side).reshape(2, half, 2, half).sum((0, 2))
    moved = [np.roll(of_one, (down, right), (0, 1)) for right, down in list_offsets(side, passes)]
    return np.sum(moved, axis=0).astype(np.float32)
