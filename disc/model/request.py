"""Options of `disc import`; free of torch, so that help is shown at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disc.files import BadInput


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """A public autoencoder to import, to check on tiles, or both."""

    source: Path
    """latent-diffusion's model.ckpt (or .safetensors), a diffusers VQModel folder, or the
    `autoencoder` folder of a run."""
    out: Path | None = None
    """Folder to write the autoencoder to; None: only check it."""
    check: Path | None = None
    """Tiles to reconstruct: a set in the SICAPv2 layout or a folder of images; None: no check."""
    num_check: int = 200
    """Maximum number of tiles to reconstruct, evenly spaced in the set; 1 or more."""
    tile_px: int | None = None
    """Side of these tiles in pixels, a multiple of 4, 16 or more; None: that of the first tile."""
    fit: Literal["exact", "resize", "crop"] = "exact"
    """Images of another size: `exact` refuses them, `resize` resizes square ones to `tile_px`,
    `crop` resizes the central square of any."""

    def __post_init__(self) -> None:
        """Check that there is something to do.

        Raises:
            BadInput: if there is not, or a number is out of range.
        """
        if self.out is None and self.check is None:
            raise BadInput(f"{self.source}: nothing to do; give --out, --check, or both")
        if self.num_check < 1:
            raise BadInput(f"--num-check is {self.num_check}; expected 1 or more")
