"""What a run says of its data before anything is trained."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from disc.data.tiles.records import Slide
from disc.files import BadInput
from disc.pipeline.stages.data import look_at_judges, plan_ahead
from disc.presets import smoke
from disc.sample.synthesis import ShapeBook


def context_of(shapes: list[int], primary: int | None) -> Any:
    """A run on slides of one score and shape maps of so many regions."""
    masks = [np.arange(16, dtype=np.uint8).reshape(4, 4) % num for num in shapes]
    slides = {
        name: Slide(slide_id=name, patient_id=name, primary=grade, secondary=grade)
        for name, grade in zip(
            "abc", (primary, primary, None if primary is None else 0), strict=True
        )
    }
    train = SimpleNamespace(slides=slides)
    book = ShapeBook(masks, [])
    return SimpleNamespace(
        root=Path("set"), run=smoke(), book=book, split=SimpleNamespace(train=train)
    )


def test_masks_without_labels() -> None:
    with pytest.raises(BadInput, match="no mask of the training tiles has a label"):
        plan_ahead(context_of([1], 3), [], [])


def test_shape_maps_that_suit_no_benign_slide() -> None:
    """Found out at the last stage but two, after hours of training."""
    with pytest.raises(BadInput, match="cannot be planned: every shape map has more than the 1"):
        plan_ahead(context_of([2, 3], 3), [0, 1], [])
    notes: list[str] = []
    plan_ahead(context_of([1, 2], 3), [0, 1], notes)
    assert notes == []
    early = context_of([2, 3], 3)
    early.run = replace(early.run, until="denoiser/sd")
    plan_ahead(early, [0, 1], notes)
    assert len(notes) == 1 and "cannot be planned" in notes[0]


def test_slides_without_scores() -> None:
    notes: list[str] = []
    plan_ahead(context_of([1, 2], None), [0, 1], notes)
    assert len(notes) == 1 and "no synthetic slide will be made" in notes[0]


def test_grades_that_lack_no_slide() -> None:
    """Found out at the features, which looked for synthetic slides that nobody had made."""
    balanced = context_of([1, 2], 3)
    balanced.split.train.slides.pop("a")
    with pytest.raises(BadInput, match=r"no primary grade lacks training slides.*slides-per-grade"):
        plan_ahead(balanced, [0, 1], [])
    synthesis = replace(smoke().synthesis, slides_per_grade=2)
    balanced.run = replace(smoke(), synthesis=synthesis)
    notes: list[str] = []
    plan_ahead(balanced, [0, 1], notes)
    assert notes == []
    balanced.run = replace(smoke(), until="bank")
    plan_ahead(balanced, [0, 1], notes)
    assert len(notes) == 1 and "no primary grade lacks" in notes[0]


def test_judges_without_labels() -> None:
    """Found out at the referee, and at agreement, after every denoiser was trained."""
    context, tiles = context_of([1, 2], 3), [0, 1]
    context.split = SimpleNamespace(val=tiles, test=tiles)
    notes: list[str] = []
    for others, name in ((([], [0]), "validation"), (([0], []), "test")):
        with pytest.raises(BadInput, match=f"no mask of the {name} tiles of fold Val1 has a label"):
            look_at_judges(context, [0], others, notes)
    context.run = replace(context.run, until="bank")
    look_at_judges(context, [0, 2, 3], ([0, 3], []), notes)
    assert len(notes) == 1 and "no validation tile has GG4: the referee" in notes[0]


def test_pixel_graders_that_nothing_stops() -> None:
    """Found out where they are trained, last of all."""
    context = context_of([1, 2], 3)
    context.split.val = ()
    carcino = replace(smoke().grade.carcino, patience=3)
    patient = replace(smoke(), grade=replace(smoke().grade, carcino=carcino))
    context.run = patient
    with pytest.raises(BadInput, match=r"no validation tiles in fold .*\.patience 0"):
        plan_ahead(context, [0, 1], [])
    for early in ("synthetic/sd", "graders/slides"):
        context.run = replace(patient, until=early)
        plan_ahead(context, [0, 1], [])
    context.run, context.split.val = patient, ("a tile",)
    plan_ahead(context, [0, 1], [])
