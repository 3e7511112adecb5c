"""What `disc select` and `disc convert` are asked to do; light, for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from disc.data.readers.source import Source
from disc.files import BadInput


@dataclass(frozen=True, kw_only=True)
class SelectRequest:
    """Slides to select from a set."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    """The set; noise lists and duplicates count."""
    out: Path
    """CSV of the slides selected, which `keep` of a source reads."""
    per_grade: int = 100
    """Slides of each primary grade 0, 3, 4, 5."""
    seed: int = 0
    """Seed of the draw; the same seed selects the same slides."""

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            BadInput: if no slide is requested.
        """
        if self.per_grade < 1:
            raise BadInput(f"--per-grade is {self.per_grade}; expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class ConvertRequest:
    """A set to write in the SICAPv2 layout."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    """The set."""
    out: Path
    """Folder of the new set."""
    seed: int = 0
    """Seed of the division of patients into folds and test."""
    scores_from_masks: bool = False
    """Give slides without a score that of their masks: the two most frequent grades."""
    skip_damaged: bool = False
    """Leave out tiles whose image or mask cannot be used, and list them; else the first stops."""
    processes: int = 0
    """Processes that share the work; 0: one for each core. Changes speed only."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if processes are negative.
        """
        if self.processes < 0:
            raise BadInput(f"--processes is {self.processes}; expected 0 (all cores) or more")
