"""Settings of the data: which tiles are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from disc.settings.checks import require

Fold = Literal["Val1", "Val2", "Val3", "Val4", "All"]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which tiles are read."""

    root: Path | None = None
    """Folder of a data set in the SICAPv2 layout; None draws the phantom."""
    external_root: Path | None = None
    """A second set, for out-of-distribution evaluation; None: the phantom's, or none."""
    external_kind: Literal["auto", "sicapv2", "lapc", "folder"] = "auto"
    """How the second set is laid out; auto: recognised by its files."""
    external_values: Mapping[int, int] = field(default_factory=dict)
    """Its mask values and their grades 0, 3, 4, 5, or 255; none: as its kind has them."""
    fit: Literal["exact", "resize", "crop"] = "exact"
    """Images of another size: refused; squares resized to `tile_px`; central squares resized."""
    fold: Fold = "Val1"
    """Its Train trains, its Test chooses, Test/Test is reported on; `All` (paper) trains on all."""
    tile_px: int = 64
    """Side of a tile in pixels; a multiple of 32."""
    workers: int = 0
    """Processes that decode tiles ahead of a training; changes speed only."""
    um_per_px: float = 4.0
    """Width of a pixel in micrometres (the phantom is drawn at it)."""

    def __post_init__(self) -> None:
        fits = self.tile_px > 0 and self.tile_px % 32 == 0 and self.um_per_px > 0
        require(fits, f"data: {self.tile_px} px of {self.um_per_px} um; give a multiple of 32 px")
