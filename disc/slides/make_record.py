"""From a verdict to what `grade.json` holds, and what outlines carry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from disc.data.readers.slide_masks import name_slide
from disc.files import digest
from disc.slides.graders import TrainedGraders
from disc.slides.judging.record import GradeRecord, Source
from disc.slides.judging.verdict import Verdict
from disc.slides.writing.geojson import Stamp


def make_record(
    graders: TrainedGraders,
    verdict: Verdict,
    *,
    floors: Mapping[str, float],
    far: float,
    **rest: object,
) -> GradeRecord:
    """What `grade.json` holds.

    Args:
        graders: that said it.
        verdict: what follows from it.
        floors: least share of a pattern that counts.
        far: distance beyond which a slide is unlike the training tiles.
        rest: the record's other fields.
    """
    return GradeRecord.model_validate(
        {
            "trained_on": graders.trained_on,
            "abstained": verdict.abstained,
            "score": verdict.gleason,
            "shares": verdict.shares,
            "isup_shares": verdict.isup_shares,
            "opinions": verdict.opinions,
            "floors": floors,
            "cross_check": verdict.cross_check,
            "slide_group": verdict.slide_group,
            "distance": verdict.distance and round(verdict.distance, 6),
            "distance_threshold": verdict.distance and round(far, 6),
            **rest,
        }
    )


def make_stamp(
    graders: TrainedGraders,
    verdict: Verdict,
    *,
    slide: str,
    version: str,
    bounds: tuple[int, int] = (0, 0),
) -> Stamp:
    """What outlines and tiles carry of a verdict; arguments as of `Stamp`."""
    return Stamp(
        slide=slide,
        run=digest(dict(graders.hashes)),
        version=version,
        bounds=bounds,
        trained_on=graders.trained_on,
        abstained=verdict.codes,
    )


def describe_source(graders: TrainedGraders, path: Path, um_per_px: float | None) -> Source:
    """What was graded, and by what."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(
        slide=name_slide(path),
        file=path.name,
        sha256=sha256,
        um_per_px=um_per_px,
        run=graders.folder.resolve().name,
        grader=graders.name,
        weights=dict(graders.hashes),
        disc=version("disc-gleason"),
    )
