"""`disc tile`: slides and their masks become a tile set in the SICAPv2 layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from disc.data.tiles.records import Slide
from disc.data.tiling.cut_slide import sign_meaning
from disc.data.tiling.jobs import Job, list_jobs
from disc.data.tiling.request import TileRequest
from disc.data.tiling.workers import (
    cut_slides,
    discard_former,
    find_refused,
    is_done,
    read_facts,
    record_of,
)
from disc.data.writing.convert import score_by_masks
from disc.data.writing.new_split import (
    NUM_GROUPS,
    band_tiles,
    can_divide,
    deal_patients,
    name_partitions,
)
from disc.data.writing.set_writer import SetWriter
from disc.files import BadInput, claim_folder, digest, read_json, write_json
from disc.labels import NAMES, NUM_LABELS, Label
from disc.processes import own_share, wait_for_all


@dataclass(frozen=True, kw_only=True)
class TileReport:
    """Outcome of tiling."""

    num_slides: int
    """Slides with at least one tile."""
    labels: Mapping[str, int]
    """Tiles by label; those without one are `unlabelled`, and in no workbook."""
    parts: Mapping[str, int]
    """Tiles in each workbook."""
    mixed: Mapping[str, int]
    """Of these, tiles with a multi-class mask."""
    is_split_by_position: bool
    """Whether parts are bands of the same slides, because there are too few patients."""
    num_in_gaps: int
    """Labelled tiles in no workbook, because they lie between two bands."""
    without_tiles: Sequence[str]
    """Slides with too little tissue for a tile."""
    without_mask: Sequence[str]
    """Slides without a mask; their tiles are unlabelled."""
    without_score: Sequence[str]
    """Slides that the table does not score."""
    without_resolution: Sequence[str]
    """Slides whose files do not say how wide pixels are: --mpp, or the table, does."""
    notes: Sequence[str] = ()
    """What was decided and left over while slides were listed."""
    pen: Mapping[str, float] = field(default_factory=dict)
    """Slides with strokes of a pen that are left out: their share of all that is coloured."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Slides with drawn things that are no area, left out: how many."""
    failures: Mapping[str, str]
    """Slides that could not be tiled, each with the reason; the set is complete without them."""

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """What a person should know, a line each."""
        counts = ", ".join(f"{count} {name}" for name, count in self.labels.items() if count)
        parts = ", ".join(f"{name} {count}" for name, count in self.parts.items())
        text = [f"{self.num_slides} slide(s); tiles: {counts}", f"tiles by workbook: {parts}"]
        if self.is_split_by_position:
            text.append(
                f"fewer than {NUM_GROUPS} patients with labels: the parts are bands of the same "
                f"slides, {self.num_in_gaps} tile(s) lie in the gaps; slide-level grading is not "
                "possible"
            )
        text += self.notes
        if self.pen:
            name, share = max(self.pen.items(), key=lambda item: item[1])
            text.append(
                f"pen strokes left out: {len(self.pen)} slide(s), most of {name}: {share:.0%} of "
                "what is coloured; --tissue.keep-pen keeps them"
            )
        if self.others:
            name, most = max(self.others.items(), key=lambda item: item[1])
            text.append(
                f"drawn, but no area (lines, points), so left out: "
                f"{sum(self.others.values())} in {len(self.others)} slide(s), most {name}: {most}"
            )
        if not any(count for name, count in self.labels.items() if name != "unlabelled"):
            text.append(
                "no tile has a label: the set serves whole slides and as external set; a generator "
                "and pixel-level graders need masks"
            )
        for what in ("without_tiles", "without_mask", "without_score", "without_resolution"):
            names = getattr(self, what)
            if names:
                known = ", as given" if what == "without_resolution" else ""
                what = what.replace("_", " ")
                text.append(f"{what}: {len(names)} slide(s){known}, first {names[0]}")
        if self.failures:
            text.append(f"failed: {len(self.failures)} slide(s); the same command tries them again")
            text += [f"  {slide}: {reason}" for slide, reason in self.failures.items()]
        return text


def tile_slides(request: TileRequest) -> TileReport:
    """Tile every slide; stopped, the same request resumes.

    Slides that fail are named in the report, and tried again by the same request.

    Raises:
        FileNotFoundError: if slides, masks, coordinates or labels are not there.
        BadInput: if no slide can be used, or `out` holds something else.
    """
    listed, share = list_jobs(request), own_share()
    jobs = listed.jobs
    if share.is_first:
        _claim(jobs, request)
        discard_former(jobs, request)
    wait_for_all()
    refused = find_refused(jobs, request)
    wait_for_all()
    own = [job for number, job in enumerate(jobs) if share.has(number)]
    own = [job for job in own if job.slide.slide_id not in refused and not is_done(request, job)]
    cut_slides(own, request, shown=share.is_first)
    wait_for_all()
    writer = SetWriter(request.out, um_per_px=request.um_per_px)
    notes = list(listed.notes)
    if request.scores_from_masks:
        jobs = _score(jobs, request, notes)
    report = _divide(jobs, request, writer if share.is_first else None)
    wait_for_all()
    return replace(report, notes=notes, failures={**report.failures, **refused})


def _claim(jobs: Sequence[Job], request: TileRequest) -> None:
    """Note what the folder is for; refused, if that is something else.

    Slides whose files say their resolution stand, whatever --mpp is; the others know theirs. A
    table that is given later, or corrected, wherever it lies, says of slides that stand what the
    workbooks hold, and no more: where masks need it to be read, slides without it have failed.
    """
    facts = {**asdict(request), "mpp": None}
    for name in ("processes", "scores_from_masks"):  # They change no tile.
        del facts[name]
    for name in ("classes", "outside"):  # Unless given, they are those of earlier sets.
        if getattr(request, name) == getattr(TileRequest, name, {}):
            del facts[name]
    # Without a table, with one, and as earlier versions noted the one that was given.
    claims = [{**facts, "labels": table} for table in (None, True, request.labels)]
    noted, known = request.out / "request.json", [{"request": digest(claim)} for claim in claims]
    if request.labels is None:
        claim_folder(request.out, claims[0])
        return
    if noted.exists() and read_json(noted) in known:
        _refuse_other_meanings(jobs, request)
        write_json(noted, known[1])
    claim_folder(request.out, claims[1])


def _refuse_other_meanings(jobs: Sequence[Job], request: TileRequest) -> None:
    """Refuse a table by which masks would be read otherwise, whose tiles stand."""
    for job in jobs:
        before, now = read_facts(request, job).get("meaning"), sign_meaning(job)
        if before and now and before != now:
            raise BadInput(
                f"{request.labels}: gives slide {job.slide.slide_id} another data_provider than "
                f"its tiles in {request.out} were cut by; correct it, or give another --out"
            )


def _score(jobs: Sequence[Job], request: TileRequest, notes: list[str]) -> list[Job]:
    """The slides with scores of their masks, where they had none."""
    records = {job.slide.slide_id: read_json(record_of(request, job)) for job in jobs}
    slides = {job.slide.slide_id: job.slide for job in jobs}
    pixels = {
        name: np.array(record.get("pixels", [0] * NUM_LABELS), np.int64)
        for name, record in records.items()
    }
    scored = score_by_masks(slides, pixels, notes)
    return [replace(job, slide=scored[job.slide.slide_id]) for job in jobs]


def _divide(jobs: Sequence[Job], request: TileRequest, writer: SetWriter | None) -> TileReport:
    """Divide the tiles into parts; the process with a writer writes the workbooks."""
    records = {job.slide.slide_id: read_json(record_of(request, job)) for job in jobs}
    failures = {name: record["failed"] for name, record in records.items() if "failed" in record}
    if len(failures) == len(jobs):
        first = next(iter(failures.values()))
        several = f"{request.slides}: none of {len(jobs)} slides can be tiled; the first: "
        raise BadInput(several + first if len(jobs) > 1 else first)
    jobs = [job for job in jobs if job.slide.slide_id not in failures]
    records = {name: record for name, record in records.items() if name not in failures}
    slides = [job.slide for job in jobs if records[job.slide.slide_id]["tiles"]]
    if not slides:
        failed = f"{len(failures)} slide(s) failed, the first: " if failures else ""
        failed += f"{next(iter(failures.values()))}; of the others " if failures else ""
        raise BadInput(
            f"{request.slides}: {failed}no tile has {request.min_tissue:.0%} tissue; give a "
            "smaller --min-tissue, --tile-px or --um-per-px"
        )
    tiles = [tile for record in records.values() for tile in record["tiles"]]
    labelled = {
        name
        for name, record in records.items()
        if any(tile["label"] is not None for tile in record["tiles"])
    }
    is_by_position = not can_divide(slides, labelled)
    if is_by_position:
        groups = band_tiles([records[slide.slide_id] for slide in slides])
    else:
        groups = deal_patients(slides, request.seed, labelled)
    partitions = name_partitions(groups)
    if writer is not None:
        labels = {t["name"]: Label(t["label"]) for t in tiles if t["label"] is not None}
        writer.finish(slides, partitions, labels, is_split_by_position=is_by_position)
    return replace(_report(jobs, records, partitions, is_by_position), failures=failures)


def _report(
    jobs: Sequence[Job],
    records: Mapping[str, Any],
    partitions: Mapping[str, Sequence[str]],
    is_split_by_position: bool,
) -> TileReport:
    slides: list[Slide] = [job.slide for job in jobs]
    tiles = [{**tile, "slide": key} for key, record in records.items() for tile in record["tiles"]]
    is_unlabelled = all(tile["label"] is None for tile in tiles)
    listed = [tile for tile in tiles if is_unlabelled or tile["label"] is not None]
    key = "name" if is_split_by_position else "slide"
    parts = {
        workbook: [tile for tile in listed if tile[key] in chosen]
        for workbook, chosen in ((book, set(names)) for book, names in partitions.items())
    }
    counts = Counter(tile["label"] for tile in tiles)
    return TileReport(
        num_slides=sum(bool(record["tiles"]) for record in records.values()),
        labels={NAMES[label]: counts[label] for label in Label} | {"unlabelled": counts[None]},
        parts={workbook: len(part) for workbook, part in parts.items()},
        mixed={book: sum(tile["is_mixed"] for tile in part) for book, part in parts.items()},
        is_split_by_position=is_split_by_position,
        num_in_gaps=len(listed) - len(parts["Test/Train"]) - len(parts["Test/Test"]),
        without_tiles=[name for name, record in records.items() if not record["tiles"]],
        without_mask=[job.slide.slide_id for job in jobs if job.mask is None],
        without_score=[slide.slide_id for slide in slides if slide.primary is None],
        pen={name: record["pen"] for name, record in records.items() if record.get("pen", 0) > 0},
        others={name: record["others"] for name, record in records.items() if record.get("others")},
        without_resolution=[name for name, record in records.items() if record.get("given_um")],
        failures={},
    )
