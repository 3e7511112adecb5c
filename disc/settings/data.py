"""Settings of the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from disc.settings.checks import require

Fold = Literal["Val1", "Val2", "Val3", "Val4", "All"]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Tiles to train and evaluate on."""

    root: Path | None = None
    """Folder of a data set in the SICAPv2 layout; None: simulate one, the phantom."""
    external_root: Path | None = None
    """Folder of an external set, for out-of-distribution evaluation; None: none, or the phantom's
    if `root` is None."""
    external_kind: Literal["auto", "sicapv2", "lapc", "folder"] = "auto"
    """Layout of the external set; `auto`: recognised by its files."""
    external_values: Mapping[int, int] = field(default_factory=dict)
    """Mask values of the external set and what each means: 0 (Non-Cancer), 3, 4, 5 (Gleason grades)
    or 255 (unlabelled); empty: those of its layout."""
    external_um_per_px: float | None = None
    """Width of a pixel of the external set's images in µm (LAPC, folders); given, squares of them
    as wide as a training tile become tiles of the same scale; None: as `fit` says."""
    fit: Literal["exact", "resize", "crop"] = "exact"
    """Images of another size: `exact` refuses them, `resize` resizes square ones to `tile_px`,
    `crop` resizes the central square."""
    fold: Fold = "Val1"
    """Cross-validation fold: its Train tiles train, its Test tiles validate, Test/Test is the test
    set. `All` (paper): all training tiles train."""
    tile_px: int = 64
    """Side of a tile in pixels; a multiple of 32."""
    workers: int = 0
    """Processes that decode tiles ahead; changes speed only."""
    um_per_px: float = 4.0
    """Width of a pixel in µm; the phantom is drawn at it."""

    def __post_init__(self) -> None:
        fits = self.tile_px > 0 and self.tile_px % 32 == 0
        require(fits, f"data.tile_px is {self.tile_px}; it must be a multiple of 32 px")
        width = self.external_um_per_px
        require(
            width is None or 0 < width < math.inf,
            f"data.external_um_per_px is {width}; it must be > 0 µm",
        )
        is_width = 0 < self.um_per_px < math.inf
        require(is_width, f"data.um_per_px is {self.um_per_px}; it must be > 0 µm")
        require(self.workers >= 0, f"data.workers {self.workers}: must be 0 or more")
