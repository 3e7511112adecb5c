"""What a run hands to the report: pictures, tables and facts, computed elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.labels import Palette
from disc.report.graders.attention import AttentionSheet

Pixels = npt.NDArray[np.uint8]

AGREEMENT, SLIDE_GRADING, PIXEL_GRADING = "mask agreement", "slide grading", "pixel grading"
"""Parts that a run may lack. A note that starts with such a name is shown where the part is."""
PARTS = (AGREEMENT, SLIDE_GRADING, PIXEL_GRADING)


class StageRecord(Protocol):
    """One stage of the run: its name, how long it took, and what it did in a few words."""

    @property
    def name(self) -> str:
        """Name of the stage."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def what(self) -> str:
        """What was done."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SheetRow:
    """One mask and the tiles that belong to it, all generated ones from the same noise."""

    mask: Pixels
    """[H, W]."""
    images: Mapping[str, Pixels]
    """[H, W, 3] each: "real", "reconstruction", and variants."""
    readings: Mapping[str, Pixels] = field(default_factory=dict)
    """[H, W] by the same names: labels that the referee reads in the image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelRow:
    """One test tile as the pixel graders read it."""

    image: Pixels
    """[H, W, 3]."""
    truth: Pixels
    """The best mask there is, [H, W]."""
    annotation: Pixels | None = None
    """The annotator's mask, where it is not the truth."""
    predictions: Mapping[str, Pixels] = field(default_factory=dict)
    """[H, W] by what the grader was trained on: "real", or the variant that was added."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSummary:
    """Everything that the page shows. The four tables are those of the run's parquet files."""

    title: str
    config: Mapping[str, Any]
    """The resolved configuration, as JSON values."""
    machine: str
    """What it ran on, in a few words."""
    data_note: str
    """Where the tiles come from, one sentence."""
    is_simulated: bool
    stages: Sequence[StageRecord]
    notes: Sequence[str] = ()
    """Limitations; what starts with the name of a part is shown there, as "slide grading: not
    possible: one slide"."""
    made_by: Mapping[str, str] = field(default_factory=dict)
    """Facts about the run's making by name, as the page shows them: version, command, date."""
    um_per_px: float | None = None
    """Width of a tile's pixel in micrometres, as the data set says; None: unknown."""
    palette: Palette = "safe"
    """Colours of masks."""
    sheet: Sequence[SheetRow] = ()
    standard_deviations: pd.DataFrame | None = None
    """set, standard_deviation (the data's is 1), num (latents)."""
    agreement: pd.DataFrame | None = None
    quality: pd.DataFrame | None = None
    """Of the same tiles, what agreement does not see: `disc.pipeline.galleries.measure_quality`."""
    audit: pd.DataFrame | None = None
    """The short form of an audit of the synthetic slides: `disc.audit.brief.audit_briefly`."""
    scores: pd.DataFrame | None = None
    pixels: pd.DataFrame | None = None
    pixel_pictures: Sequence[PixelRow] = ()
    attention: Sequence[AttentionSheet] = ()
    """What slide graders looked at."""
    draws: int = 2000
    """Bootstrap draws of every interval of mask agreement."""
    grader_draws: int = 20_000
    """Bootstrap draws of the intervals and tests of graders."""
    seed: int = 0
    """Seed of the bootstrap."""
