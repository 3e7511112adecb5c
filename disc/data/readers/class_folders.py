"""Folders, and areas on slides, that are called like classes."""

from __future__ import annotations

import re
from pathlib import Path

from disc.files import BadInput
from disc.labels import GRADES, Label

_BENIGN = re.compile(r"nc|benign|normal|healthy|non[ _-]?(cancer|tumou?r)(ous)?|stroma|g?0")
_GRADE = re.compile(
    r"(?:g|gg|gp|gleason|grade|pattern|gleason[ _-](?:grade|pattern))?[ _-]?([345])"
)


def find_class(name: str) -> Label | None:
    """The label that a name says: Benign, NC, Gleason3, GG_4, 5, ...; None: it says none."""
    name = name.strip().lower()
    if _BENIGN.fullmatch(name):
        return Label.NC
    if match := _GRADE.fullmatch(name):
        return next(label for label, grade in GRADES.items() if grade == int(match[1]))
    return None


def read_class(folder: Path) -> Label:
    """The label that a folder's name says.

    Raises:
        BadInput: if it says none.
    """
    if (label := find_class(folder.name)) is not None:
        return label
    raise BadInput(
        f"{folder}: is not called like a class; expected Benign, NC, Gleason3, GG4, G5 or the "
        "like, for --labels-from folders"
    )
