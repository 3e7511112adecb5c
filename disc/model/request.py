"""What `disc import` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disc.files import BadInput


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """A public autoencoder to import, to check on tiles, or both."""

    source: Path
    """latent-diffusion's model.ckpt (or .safetensors), or a folder of diffusers or of a run."""
    out: Path | None = None
    """Folder of the imported autoencoder; None: it is checked only."""
    check: Path | None = None
    """Tiles to reconstruct: a set in the SICAPv2 layout, or any folder of images."""
    num_check: int = 200
    """Most tiles that are checked, spread evenly over the set."""
    tile_px: int | None = None
    """Side of these tiles in pixels, a multiple of 4; None: that of the first."""
    fit: Literal["exact", "resize", "crop"] = "exact"
    """Images of another size: refused; squares resized to `tile_px`; central squares resized."""

    def __post_init__(self) -> None:
        """Check that there is something to do.

        Raises:
            BadInput: if there is not, or a number is out of range.
        """
        if self.out is None and self.check is None:
            raise BadInput(f"{self.source}: nothing to do; give --out, --check, or both")
        if self.num_check < 1:
            raise BadInput(f"--num-check is {self.num_check}; expected 1 or more")
