"""What `disc sample` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disc.files import require


@dataclass(frozen=True, kw_only=True)
class SampleRequest:
    """Tiles to be generated from masks, or from a recipe for a Gleason score."""

    run: Path
    """Folder of a trained run, or of exported weights."""
    out: Path
    """New folder for tiles, masks and a contact sheet."""
    mask: Path | None = None
    """A PNG mask, or a folder of them, of the side of the run's tiles."""
    values: Literal["sicapv2", "classes"] | None = None
    """With --mask, always given: 0, 3, 4, 5 (`sicapv2`) or 0, 1, 2, 3 (`classes`); 255: unknown."""
    recipe: str = ""
    """In place of --mask: a Gleason score, 4+5; masks are drawn from the run's training shapes."""
    tiles: int = 12
    """With --recipe: how many."""
    variant: str = "sd-sc"
    """sd, sd-sc, sd-disc, sd-disc-cotrain or sd-disc-fast, whichever the run has."""
    plan: str = ""
    """How sd-sc fuses labels: end, step, switch@0.75, ...; none: as the run is configured."""
    steps: int | None = None
    """Steps of the solver; None: as the run's configuration says."""
    seed: int = 0
    """Seed of the tiles, and of the recipe."""

    def __post_init__(self) -> None:
        """Check what goes together.

        Raises:
            BadInput: if there is neither a mask nor a recipe, or both, or values are not explained.
        """
        both = (self.mask is None) == (not self.recipe)
        require(not both, "give --mask or --recipe, one of them")
        require(
            self.mask is None or self.values is not None,
            "--mask needs --values: sicapv2 for 0, 3, 4, 5 or classes for 0, 1, 2, 3",
        )
        require(self.tiles >= 1, f"--tiles is {self.tiles}; expected 1 or more")
