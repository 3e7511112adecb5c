"""Settings of the embedded, simulated data set."""

from __future__ import annotations

from dataclasses import dataclass

from disc.settings.checks import require


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """The simulated data set that stands in where no real one is given."""

    slides: tuple[int, int, int, int] = (30, 31, 54, 9)
    """Training-partition slides by primary grade: NC, GG3, GG4, GG5 (SICAPv2's by default)."""
    test_slides: tuple[int, int, int, int] = (6, 9, 14, 2)
    """Slides of the held-out test partition, by primary grade."""
    external_slides: tuple[int, int, int, int] = (6, 6, 6, 6)
    """Slides of the out-of-distribution test set (another scanner and stain)."""
    referee_slides: tuple[int, int, int, int] = (8, 8, 8, 8)
    """Slides of the separate draw on whose exact masks the referee is trained."""
    core_um: tuple[float, float] = (650.0, 3000.0)
    """Mean width and length of a needle core, in micrometres."""
    annotation_noise: float = 1.0
    """How inexact and incomplete the annotator is: 0 gives exact masks, 1 the committed noise."""
    seed: int = 2404
    """Seed of the whole draw."""

    def __post_init__(self) -> None:
        require(self.annotation_noise >= 0, "phantom.annotation_noise must be >= 0")
