"""Patients, their slides and scores, and the folds of a simulated data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from disc.data.tiles.records import Slide
from disc.labels import GRADES

SECONDARY = {
    0: {0: 1.0},
    3: {3: 31 / 40, 4: 9 / 40},
    4: {3: 20 / 68, 4: 35 / 68, 5: 13 / 68},
    5: {3: 1 / 11, 4: 3 / 11, 5: 7 / 11},
}
"""How often each secondary grade goes with a primary one, in SICAPv2's 155 slides."""
_TWO_SLIDES = 0.25


def draw_slides(
    rng: np.random.Generator, counts: Sequence[int], *, year: int, first_patient: int
) -> list[Slide]:
    """Slides of a set with so many of primary grade benign, 3, 4, 5; most patients have one.

    Args:
        rng: the set's own generator.
        counts: slides by primary grade.
        year: first two digits of the slide ids, so that sets share none.
        first_patient: number of the first patient, so that sets share none.
    """
    slides: list[Slide] = []
    for grade, count in zip(GRADES.values(), counts, strict=True):
        while (missing := count - sum(slide.primary == grade for slide in slides)) > 0:
            number = 1 + int(missing > 1 and rng.random() < _TWO_SLIDES)
            patient = first_patient + len({slide.patient_id for slide in slides})
            name = f"{year:02d}B{1000 + 37 * patient:07d}"
            for letter in ("",) if number == 1 else ("A", "B"):
                secondary = rng.choice(list(SECONDARY[grade]), p=list(SECONDARY[grade].values()))
                slides.append(
                    Slide(
                        slide_id=name + letter,
                        patient_id=str(patient),
                        primary=grade,
                        secondary=int(secondary),
                    )
                )
    return slides


def assign_folds(slides: Sequence[Slide], num_folds: int = 4) -> list[list[str]]:
    """Slide ids of each fold: patients stay whole, grades are balanced over the folds."""
    patients: dict[str, list[Slide]] = {}
    for slide in slides:
        patients.setdefault(slide.patient_id, []).append(slide)
    folds: list[list[Slide]] = [[] for _ in range(num_folds)]
    # Patients with two slides first: those with one then even out the counts.
    for group in sorted(patients.values(), key=len, reverse=True):
        grade = group[0].primary
        load = [(Counter(s.primary for s in fold)[grade], len(fold)) for fold in folds]
        folds[load.index(min(load))] += group
    return [[slide.slide_id for slide in fold] for fold in folds]
