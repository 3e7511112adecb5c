"""What `disc export` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Dtype = Literal["float32", "float16"]


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """A run's weights, to be written to one folder that diffusers and `disc.load` read."""

    run: Path
    """Folder of a trained run."""
    out: Path
    """New folder."""
    variants: tuple[str, ...] = ()
    """sd, sd-sc, sd-disc, sd-disc-cotrain, sd-disc-fast; the first is what diffusers loads without
    a variant named. None given: all that are trained, sd first."""
    dtype: Dtype = "float32"
    """How weights are stored: `float16` takes half the space; they are loaded as float32."""
    shapes: bool = True
    """With the shapes of the training masks, without their labels, which recipes are drawn from."""
    licence: str = ""
    """Licence that the weights are published under, for README.md: `Apache-2.0`, for one. Empty: it
    says that who publishes them says so."""
