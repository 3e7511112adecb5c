"""What `disc grade` and `disc export-wsinfer` do."""

from __future__ import annotations

from dataclasses import replace

from disc.api import load
from disc.slides.grade_slides import GradeReport, find_slides
from disc.slides.request import GradeRequest, WsinferRequest


def grade_all(request: GradeRequest) -> GradeReport:
    """Grade slides, or files of features.

    Raises:
        FileNotFoundError: if there is no such run or slide.
        BadInput: if the weights have no graders.
    """
    model = load(request.run)
    if request.features:
        return model.grade_features(
            request.features, request.out, grader=request.grader, encoder=request.encoder
        )
    slides, notes = find_slides(request.slides)
    report = model.grade_slides(
        slides, request.out, mpp=request.mpp, grader=request.grader, passes=request.passes
    )
    return replace(report, notes=notes)


def export_classifier(request: WsinferRequest) -> str:
    """Write a run's pixel grader for WSInfer; what was written, in a line."""
    return load(request.run).export_wsinfer(request.out, grader=request.grader)
