"""Settings of the report."""

from __future__ import annotations

from dataclasses import dataclass

from disc.labels import Palette


@dataclass(frozen=True, kw_only=True)
class Report:
    """How results are shown; changes no number."""

    palette: Palette = "safe"
    """Colours of masks: safe for colour-blind readers, or the paper's."""
