"""From areas to a score: the rules of ISUP 2014 and 2019 for needle biopsies, as applied here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from disc.labels import GRADES, Label, isup_group

MINOR = 0.05
"""Of the cancer: a lower pattern with less is not reported."""
CANCER = (Label.GG3, Label.GG4, Label.GG5)
RULES = (
    "A pattern counts where its share of the tissue reaches a floor, which is set on validation "
    "slides: below it lies what graders call that pattern where there is none.",
    "No pattern counts: benign, 0+0. But nothing is said where all cancer on the map together, or "
    "one piece that graders are sure of, is more than a threshold that tells benign validation "
    "slides from others.",
    "The primary grade is the most extensive pattern; of equal ones, the higher.",
    "If a pattern higher than the primary counts, the secondary grade is the highest of those "
    "that count (ISUP 2014 for biopsies: the most extensive and the highest, however little).",
    f"Otherwise it is the next lower pattern by extent, if it is at least {MINOR:.0%} of the "
    "cancer (the 5 % rule); if not, primary and secondary are the same.",
)
"""What `score_areas` does, in words."""
SLIDE_RULES = (
    "The slide graders' scores are averaged, and a label is present from a threshold on, which is "
    "set on validation slides.",
    "With an ordinal head, the score is the likeliest one of its likeliest ISUP group.",
    "Without one, a single label is both grades. Two leave their order open, so that GG3 and GG4 "
    "are 3+4 or 4+3; Non-Cancer beside a pattern, three patterns, and no label at all make no "
    "score.",
)
"""How slide graders alone make a score, in words."""


@dataclass(frozen=True)
class Score:
    """A Gleason score."""

    primary: int
    secondary: int

    @property
    def isup(self) -> int:
        """ISUP grade group 0 to 5."""
        return isup_group(self.primary, self.secondary)


def score_areas(areas: Sequence[float], floors: Sequence[float]) -> Score:
    """The score of a biopsy from the areas of its patterns.

    Args:
        areas: of NC, GG3, GG4, GG5, in any unit.
        floors: shares of the tissue that GG3, GG4 and GG5 must reach to count.

    >>> score_areas([50, 30, 2, 0], floors=[0.01, 0.01, 0.01])
    Score(primary=3, secondary=4)
    >>> score_areas([50, 2, 48, 0], floors=[0.01, 0.01, 0.01])
    Score(primary=4, secondary=4)
    """
    total = float(np.sum(areas))
    counted = {
        label: float(areas[label])
        for label, floor in zip(CANCER, floors, strict=True)
        if areas[label] > 0 and areas[label] >= floor * total
    }
    if not counted:
        return Score(0, 0)
    primary = max(counted, key=lambda label: (counted[label], label))
    higher = [label for label in counted if label > primary]
    lower = [
        label
        for label in counted
        if label < primary and counted[label] >= MINOR * sum(counted.values())
    ]
    secondary = primary
    if higher:
        secondary = max(higher)
    elif lower:
        secondary = max(lower, key=lambda label: (counted[label], label))
    return Score(GRADES[primary], GRADES[secondary])
