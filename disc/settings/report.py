"""Settings of the report."""

from __future__ import annotations

from dataclasses import dataclass

from disc.labels import Palette
from disc.settings.checks import require


@dataclass(frozen=True, kw_only=True)
class Report:
    """How results are tested and shown."""

    palette: Palette = "safe"
    """Colours of masks: safe for colour-blind readers, or the paper's."""
    num_grader_bootstrap: int = 20_000
    """Bootstrap samples of the intervals and tests of graders, which rest on the run's tables; 2 or
    more."""

    def __post_init__(self) -> None:
        num = self.num_grader_bootstrap
        require(num >= 2, f"report.num_grader_bootstrap {num}: must be 2 or more")
