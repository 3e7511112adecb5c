"""Settings of the phantom, the simulated data set."""

from __future__ import annotations

import math
from dataclasses import dataclass

from disc.settings.checks import require, require_finite, require_least


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """The phantom: a simulated data set, used where `data.root` is None."""

    slides: tuple[int, int, int, int] = (30, 31, 54, 9)
    """Slides of the training partition by primary grade: Non-Cancer, GG3, GG4, GG5 (default: as in
    SICAPv2)."""
    test_slides: tuple[int, int, int, int] = (6, 9, 14, 2)
    """Slides of the test partition by primary grade."""
    external_slides: tuple[int, int, int, int] = (6, 6, 6, 6)
    """Slides of the external set (another scanner and stain) by primary grade."""
    referee_slides: tuple[int, int, int, int] = (8, 8, 8, 8)
    """Slides by primary grade of a set apart, on whose exact masks the referee is trained."""
    core_um: tuple[float, float] = (650.0, 3000.0)
    """Mean width and length of a needle core in µm."""
    annotation_noise: float = 1.0
    """Annotation errors, as a multiple of the standard level, 0 or more; 0: exact masks."""
    seed: int = 2404
    """Random seed of the whole data set."""

    def __post_init__(self) -> None:
        require_finite("phantom", annotation_noise=self.annotation_noise)
        is_core = all(100 <= side < math.inf for side in self.core_um)
        require(is_core, f"phantom.core_um {self.core_um}: must be 100 µm or more, and finite")
        for name in ("slides", "test_slides", "external_slides", "referee_slides"):
            counts = getattr(self, name)
            require_least("phantom", 0, **{name: counts})
            require(sum(counts) > 0, f"phantom.{name} {counts}: no slide at all")
