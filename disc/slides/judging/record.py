"""`grade.json`: what is said of a slide, in a schema that programs can hold it against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from disc.files import MAX_TEXT, BadInput, read_bytes, write_bytes
from disc.records.listing import check_listed

SCHEMA = 4
NAME = "grade.json"
RESEARCH = "research use only"
Code = Literal[
    "too-little-tissue", "small-focus", "disagreement", "unclear", "unstable", "unlike-training"
]


class Strict(BaseModel):
    """Frozen, and without fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(Strict):
    """Why nothing is said of a slide."""

    code: Code
    text: str


class Share(Strict):
    """Extent of a pattern: fraction of the tissue with its 95 % interval, area in mm² or None."""

    fraction: float
    low: float | None
    high: float | None
    mm2: float | None


class Gleason(Strict):
    """A score: primary and secondary grade, ISUP grade group; None: what labels leave open."""

    primary: int | None
    secondary: int | None
    isup: int | None


class CrossCheck(Strict):
    """What the slide graders say of a label: mean score, and the threshold set for it."""

    score: float
    threshold: float
    is_present: bool


class SlideGroup(Strict):
    """The ISUP grade group by the slide graders' ordinal head, and the probability of each."""

    group: int
    shares: Mapping[str, float]


class MapFacts(Strict):
    """The map: its resolution, how often windows cover it, and what could not be read.

    `focus_mm2` is the largest connected region of which graders are sure that it is cancer,
    `focus_threshold_mm2` from which size on that is no error, as validation slides told; None: they
    were not asked.
    """

    um_per_px: float
    window_px: int
    passes: int
    temperature: float
    ece_before: float
    ece_after: float | None
    unreadable_mm2: float
    focus_mm2: float
    focus_threshold_mm2: float | None


class RegionFacts(Strict):
    """Outlines: how many, at which resolution; pieces that were too small; corners taken away."""

    kept: int
    um_per_px: float
    dropped: int
    dropped_mm2: float
    simplified: int


class Source(Strict):
    """What was graded, and by what."""

    slide: str
    file: str
    sha256: str
    um_per_px: float | None
    run: str
    grader: str
    weights: Mapping[str, str]
    disc: str


class GradeRecord(Strict):
    """What is said of a slide.

    `score` is what the map (or, of features, the tiles or the slide graders) says in any case;
    where `abstained` holds reasons, it is not to be used.
    `isup_shares` are fractions of the bootstrap draws; `opinions` the group by each network alone.
    `slide_group` is None where the slide graders have no ordinal head.
    """

    schema_version: int = SCHEMA
    intended_use: str = RESEARCH
    trained_on: Literal["simulated tissue only", "real tiles"]
    source: Source
    abstained: tuple[Reason, ...]
    score: Gleason
    tissue_mm2: float | None
    num_tiles: int
    shares: Mapping[str, Share]
    isup_shares: Mapping[str, float]
    opinions: Mapping[str, int]
    floors: Mapping[str, float]
    cross_check: Mapping[str, CrossCheck]
    slide_group: SlideGroup | None
    distance: float | None
    distance_threshold: float | None
    map: MapFacts | None
    regions: RegionFacts | None

    @property
    def basis(self) -> str:
        """What the score is of."""
        if self.map is not None:
            return "map"
        return "tiles" if self.shares else "slide graders"

    @property
    def unit(self) -> str:
        """What shares are of."""
        return "tiles" if self.map is None else "tissue"

    def tell(self) -> str:
        """What is said, in a line."""
        said = tell_score(self.score, self.cross_check)
        if self.abstained:
            why = "; ".join(reason.text for reason in self.abstained)
            return f"no grade: {why} (by the {self.basis} alone: {said})"
        if not self.shares:
            return said
        cancer = 1 - self.shares["NC"].fraction
        return f"{said}; cancer in {cancer:.0%} of the {self.unit}"


def list_present(labels: Mapping[str, CrossCheck]) -> list[str]:
    """Labels that slide graders see."""
    return [name for name, each in labels.items() if each.is_present]


def tell_score(score: Gleason, labels: Mapping[str, CrossCheck]) -> str:
    """A score in words; where its order is open, the labels that it is of."""
    if score.primary is not None:
        return f"{score.primary}+{score.secondary}, ISUP {score.isup}"
    present = list_present(labels)
    said = " and ".join(present) or "no label"
    if len(present) == 2 and "NC" not in present:
        said += ", which of them is primary is open"
    return said if score.isup is None else f"{said}, ISUP {score.isup}"


def write_record(folder: Path, record: GradeRecord) -> None:
    """Write `grade.json`."""
    text = json.dumps(record.model_dump(mode="json"), indent=2, allow_nan=False)
    write_bytes(folder / NAME, f"{text}\n".encode())


def read_record(folder: Path) -> GradeRecord:
    """Read and check `grade.json`.

    Raises:
        FileNotFoundError: if there is none.
        BadInput: if it is damaged, changed, or of another schema.
    """
    path = folder / NAME
    data = read_bytes(path, MAX_TEXT)
    check_listed(path, data, stage=folder)
    try:
        return GradeRecord.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(f"{path}: {place}: {first['msg']}; grade the slide again") from error
