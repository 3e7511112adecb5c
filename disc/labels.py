"""Classes, colours, and what a Gleason score means. Imports nothing of ours, and no torch."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Literal

IGNORE = 255
"""Mask value of a pixel whose label is unknown."""


class Label(IntEnum):
    """Class index of a pixel in a mask."""

    NC = 0
    GG3 = 1
    GG4 = 2
    GG5 = 3


NUM_LABELS = len(Label)
NAMES = {Label.NC: "Non-Cancer", Label.GG3: "GG3", Label.GG4: "GG4", Label.GG5: "GG5"}
Colour = tuple[int, int, int]
Palette = Literal["safe", "paper"]
PALETTES: dict[Palette, dict[Label, Colour]] = {
    "safe": {
        Label.NC: (6, 104, 93),
        Label.GG3: (52, 155, 232),
        Label.GG4: (238, 203, 4),
        Label.GG5: (171, 12, 5),
    },
    "paper": {
        Label.NC: (0, 100, 0),
        Label.GG3: (0, 0, 255),
        Label.GG4: (255, 255, 0),
        Label.GG5: (255, 0, 0),
    },
}
"""RGB colours of labels. "safe" has the paper's hues, moved apart until readers who lack a kind of
cone tell them from each other, from `UNKNOWN_COLOUR` and from white; to a reader without red cones
the paper's Non-Cancer and GG5 are one colour."""
UNKNOWN_COLOUR: Colour = (157, 157, 157)
"""Of a pixel whose label is unknown, in both palettes."""

GRADES = {Label.NC: 0, Label.GG3: 3, Label.GG4: 4, Label.GG5: 5}
"""The Gleason grade of a label; also its pixel value in a SICAPv2 mask."""
MASK_GRADES = frozenset({*GRADES.values(), IGNORE})
"""What a value in somebody's mask may mean: a grade, or unknown."""

_SCORE = re.compile(
    r"(?:gleason\s*)?(?:(?P<first_sum>\d+)\s*[(=]\s*)?(?P<primary>[0345])\s*\+\s*"
    r"(?P<secondary>[0345])(?:\s*[=(]\s*(?P<sum>\d+))?\s*\)?"
)
"""3+4, and as reports write it: 3+4=7, 7 (3+4), Gleason 3 + 4 (7)."""
_ISUP = {(3, 3): 1, (3, 4): 2, (4, 3): 3, (4, 4): 4, (3, 5): 4, (5, 3): 4}


def label_of_grade(grade: int) -> Label:
    """The label of Gleason grade 0 (benign), 3, 4 or 5.

    Raises:
        ValueError: for any other grade.
    """
    for label, value in GRADES.items():
        if value == grade:
            return label
    raise ValueError(f"Gleason grade {grade!r} is not one of 0 (benign), 3, 4, 5")


def parse_score(text: str) -> tuple[int, int]:
    """Primary and secondary grade of a score such as "3+4", "3+4=7", "0+0" or "negative".

    Raises:
        ValueError: if the text is not a Gleason score.
    """
    cleaned = str(text).strip().lower()
    if cleaned in {"negative", "benign", "0"}:
        return 0, 0
    match = _SCORE.fullmatch(cleaned)
    if match is None:
        raise ValueError(f"'{text}' is not a Gleason score; expected e.g. '3+4', '0+0', 'negative'")
    primary, secondary = int(match["primary"]), int(match["secondary"])
    said = match["sum"] or match["first_sum"]
    if said is not None and int(said) != primary + secondary:
        raise ValueError(f"score '{text}' is not {said}; correct it")
    return check_score(primary, secondary)


def check_score(primary: int, secondary: int) -> tuple[int, int]:
    """The two grades, if together they are a Gleason score.

    Raises:
        ValueError: if a grade is unknown, or only one of the two is benign.
    """
    label_of_grade(primary)
    label_of_grade(secondary)
    if (primary == 0) != (secondary == 0):
        raise ValueError(f"score {primary}+{secondary}: both grades are 0 (benign) or none is")
    return primary, secondary


def slide_label(primary: int, secondary: int) -> tuple[int, int, int, int]:
    """Four bits NC, GG3, GG4, GG5: the union of primary and secondary grade.

    Paper: Sec. 2.4 (multi-label head); 0+0 sets NC only, 3+3 sets GG3 only.
    """
    present = {label_of_grade(grade) for grade in check_score(primary, secondary)}
    bits = [int(label in present) for label in Label]
    return bits[0], bits[1], bits[2], bits[3]


def isup_group(primary: int, secondary: int) -> int:
    """ISUP grade group 0 (benign) to 5 of a Gleason score."""
    check_score(primary, secondary)
    if primary == 0:
        return 0
    return _ISUP.get((primary, secondary), 5)


def score_of_isup(group: int) -> tuple[int, int] | None:
    """Primary and secondary grade of an ISUP grade group; None where it leaves them open (4, 5).

    Raises:
        ValueError: if there is no such group.
    """
    if group not in range(6):
        raise ValueError(f"ISUP grade group {group}; expected 0 (benign) to 5")
    scores = {0: (0, 0), 1: (3, 3), 2: (3, 4), 3: (4, 3)}
    return scores.get(group)
