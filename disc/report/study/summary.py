"""What a study hands to its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from disc.labels import Palette
from disc.report.graders.attention import AttentionSheet
from disc.report.run_summary import PixelRow


@dataclass(frozen=True, kw_only=True, eq=False)
class StudySummary:
    """Everything that the page of a study shows; numbers are computed from the two tables."""

    title: str
    facts: Mapping[str, str]
    """About its making, by name: runs, cells, command."""
    is_simulated: bool
    scores: pd.DataFrame
    """scores.parquet; may be empty."""
    pixels: pd.DataFrame
    """pixels.parquet; may be empty."""
    probe: pd.DataFrame
    """encoder, fold, variant, generator_seed, auroc, real, synthetic; may be empty."""
    recipe_weights: pd.DataFrame
    """weights, primary, right, slides, share."""
    pictures: Sequence[PixelRow] = ()
    attention: Sequence[AttentionSheet] = ()
    notes: Sequence[str] = ()
    """Limitations."""
    palette: Palette = "safe"
    draws: int = 20_000
    seed: int = 0
    """Of the bootstrap."""
    controls: Mapping[str, str] = field(default_factory=dict)
    """What controls are, by name."""
