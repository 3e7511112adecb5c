"""What `disc phantom` is asked to draw; light, so that the command line can show it at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disc.files import require

Kind = Literal["sicapv2", "panda", "lapc"]


@dataclass(frozen=True, kw_only=True)
class PhantomRequest:
    """A small simulated data set in the layout of a real one."""

    out: Path
    """Folder of the new set."""
    kind: Kind = "sicapv2"
    """Layout: SICAPv2 (tiles), PANDA (pyramidal slides and masks), LAPC (patches and masks)."""
    slides: tuple[int, int, int, int] = (1, 1, 1, 1)
    """Slides by primary grade: benign, 3, 4, 5; in `sicapv2`, as many again are the test."""
    core_um: tuple[float, float] = (600.0, 2000.0)
    """Mean width and length of a needle core, in micrometres (`lapc`: as large as its patches)."""
    annotation_noise: float = 1.0
    """How inexact and incomplete the annotator is: 0 gives exact masks."""
    tile_px: int | None = None
    """Side of a tile or patch; None: 64 (`sicapv2`), 1200 (`lapc`)."""
    um_per_px: float = 4.0
    """Width of a tile's pixel in micrometres (`sicapv2`; the others have their scanners')."""
    num_unmasked: int = 1
    """Slides that get no mask (`panda`)."""
    processes: int = 1
    """How many draw side by side; changes speed only."""
    seed: int = 2404
    """Same seed, same bytes."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if one is out of range.
        """
        require(
            min(self.slides) >= 0 and sum(self.slides) > 0,
            f"--slides is {self.slides}; expected four numbers, one of them more than 0",
        )
        is_core = all(100 <= side < math.inf for side in self.core_um)
        require(is_core, f"--core-um is {self.core_um}; expected 100 µm or more")
        require(0 <= self.annotation_noise < math.inf, "--annotation-noise must not be negative")
        require(self.tile_px is None or self.tile_px >= 32, "--tile-px must be 32 or more")
        require(0 < self.um_per_px < math.inf, "--um-per-px must be positive")
        require(self.num_unmasked >= 0, "--num-unmasked must not be negative")
        require(self.processes >= 1, "--processes must be 1 or more")
