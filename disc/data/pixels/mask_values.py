"""What the values in a mask mean, by who made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.files import BadInput
from disc.labels import GRADES, IGNORE, label_of_grade

Values = npt.NDArray[np.uint8]

UNEXPLAINED = 254
"""Stands for a value, or a label, that has no meaning."""


@dataclass(frozen=True)
class Meaning:
    """What the values in a mask mean."""

    grades: Mapping[int, int]
    """From value to grade 0 (Non-Cancer), 3, 4, 5, or 255 for unknown."""
    stroma: int | None = None
    """Value of stroma and lumina, where only epithelium was graded."""

    @cached_property
    def table(self) -> Values:
        """Label of every value, uint8 [256]; `UNEXPLAINED` where it has none."""
        table = np.full(256, UNEXPLAINED, np.uint8)
        for value, grade in self.grades.items():
            table[value] = IGNORE if grade == IGNORE else label_of_grade(grade)
        return table

    def decode(self, values: Values, path: Path) -> Values:
        """Labels of values: uint8, 0..3 and 255.

        Args:
            values: what a mask file holds, any shape.
            path: the file, to be named in errors.

        Raises:
            BadInput: if a value is unexplained.
        """
        # Far faster than an index into the table.
        found = bytearray(np.ascontiguousarray(values)).translate(self.table.tobytes())
        labels: Values = np.frombuffer(found, np.uint8).reshape(values.shape)
        if UNEXPLAINED in found:
            value = values.ravel()[found.index(UNEXPLAINED)]
            raise BadInput(
                f"found value {value} in {path}; expected {self}; explain values with --values "
                "(disc tile: --mask-values or --own-values; disc sample: --values classes for 0 "
                "to 3)"
            )
        return labels

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.grades.items())), self.stroma))

    def __str__(self) -> str:
        *first, last = (str(value) for value in sorted(self.grades))
        return f"{', '.join(first)} or {last}" if first else last


SICAPV2 = Meaning({**{grade: grade for grade in GRADES.values()}, IGNORE: IGNORE})
"""Values are grades, as in version 2 of SICAPv2 and in every set that disc writes."""
INDICES = Meaning({**{int(label): grade for label, grade in GRADES.items()}, IGNORE: IGNORE})
"""Values are 0 Non-Cancer, 1 GG3, 2 GG4, 3 GG5, as in copies of SICAPv2."""
RADBOUD = Meaning({0: 0, 1: 0, 2: 0, 3: 3, 4: 4, 5: 5}, stroma=1)
"""PANDA: background, stroma and lumina, benign epithelium, then epithelium by grade."""
KAROLINSKA = Meaning({0: 0, 1: 0, 2: IGNORE})
"""PANDA: background, benign, cancer of unknown grade."""
PANDA: Mapping[str, Meaning] = {"radboud": RADBOUD, "karolinska": KAROLINSKA}
"""By `data_provider` of PANDA's table."""
BY_NAME: Mapping[str, Meaning] = {**PANDA, "sicapv2": SICAPV2}
"""Meanings that a user or a table can name."""
LAPC = Meaning({0: 3, 1: 4, 2: 5, 3: 0, 4: 0})
"""GG3, GG4, GG5, benign gland, stroma."""
