"""`disc tile`: slides and their masks become a tile set in the SICAPv2 layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.data.folds import band_tiles, deal_patients, name_partitions
from disc.data.images import Pixels, encode_png
from disc.data.jobs import Job, list_jobs
from disc.data.overview import draw_overview
from disc.data.panda import grades_of
from disc.data.request import TileRequest
from disc.data.sicapv2 import SetWriter, format_name
from disc.data.slides import Annotation, Scan
from disc.data.tissue import UM_PER_PX, find_tissue
from disc.files import BadInput, digest, read_json, sync_all, write_bytes, write_json
from disc.labels import IGNORE, NAMES, NUM_LABELS, Label
from disc.processes import own_share, wait_for_all
from disc.progress import Bar

LEAST_PATIENTS = 5
"""With fewer, parts are bands of the same slides."""


@dataclass(frozen=True, kw_only=True)
class TileReport:
    """What became of the slides."""

    num_slides: int
    """Slides with at least one tile."""
    labels: dict[str, int]
    """Tiles by label; unlabelled ones are in no workbook."""
    parts: dict[str, int]
    """Labelled tiles in each workbook."""
    mixed_parts: dict[str, int]
    """Of these, tiles with several labels."""
    is_split_by_position: bool
    """Whether parts are bands of the same slides, because there are too few patients."""
    num_in_gaps: int
    """Labelled tiles in no workbook, because they lie between two bands."""
    without_tiles: list[str]
    """Slides with too little tissue for a tile."""
    without_mask: list[str]
    """Slides without a mask; their tiles are unlabelled."""
    without_score: list[str]
    """Slides that the table does not score."""


def tile_slides(request: TileRequest) -> TileReport:
    """Tile every slide; stopped, the same request goes on where it was.

    Raises:
        FileNotFoundError: if slides, masks or labels are not there.
        BadInput: if one of them cannot be used, or `out` holds something else.
    """
    jobs, share = list_jobs(request), own_share()
    if share.is_first:
        _claim(request)
    wait_for_all()
    writer = SetWriter(request.out, um_per_px=request.um_per_px)
    bar = Bar("tiling", total=len(jobs), shown=share.is_first)
    for number, job in enumerate(jobs):
        if share.has(number) and not _record(request, job).exists():
            _tile_slide(job, request, writer)
        bar.advance()
    bar.close()
    wait_for_all()
    report = _finish(jobs, request, writer if share.is_first else None)
    wait_for_all()
    return report


def _claim(request: TileRequest) -> None:
    """Note what is being written into `out`; refuse a folder that holds something else."""
    path, facts = request.out / "request.json", {"request": digest(asdict(request))}
    if path.exists():
        if read_json(path) != facts:
            raise BadInput(
                f"{request.out}: holds tiles of another request; give another --out, or delete it"
            )
    elif request.out.is_file() or (request.out.exists() and any(request.out.iterdir())):
        raise BadInput(f"{request.out}: is not an empty folder; give a new one with --out")
    else:
        write_json(path, facts)


def _record(request: TileRequest, job: Job) -> Path:
    return request.out / "slides" / f"{job.slide.slide_id}.json"


def _tile_slide(job: Job, request: TileRequest, writer: SetWriter) -> None:
    scan = Scan(job.path, request.mpp)
    scale = _scale(scan, request)
    annotation = None
    if job.mask is not None:
        annotation = Annotation(job.mask, grades_of(request, job.path.stem, job.case), scan)
    tissue = find_tissue(scan.read_whole(UM_PER_PX), max(UM_PER_PX, scan.um_per_px))
    size, side = (request.tile_px, request.tile_px), scale * request.tile_px
    tiles = []
    for row, column, x, y in list_places(scan, tissue, scale, request):
        mask = np.full(size, IGNORE, np.uint8)
        if annotation is not None:
            mask = annotation.read(x, y, size, scale)
        name = format_name(job.slide.slide_id, (row, column), x, y)
        writer.add(name, scan.read(x, y, size, scale), mask)
        tiles.append({"name": name, "x": x, "y": y, **_describe(mask)})
    picture = draw_overview(scan, tissue, [(tile["x"], tile["y"]) for tile in tiles], side)
    write_bytes(request.out / "thumbnails" / f"{job.slide.slide_id}.png", encode_png(picture))
    sync_all()
    axis = "y" if scan.height > scan.width else "x"
    write_json(_record(request, job), {"side": side, "long_axis": axis, "tiles": tiles})


def _scale(scan: Scan, request: TileRequest) -> float:
    scale = request.um_per_px / scan.um_per_px
    if scale < 0.99:
        raise BadInput(
            f"{scan.path}: has {scan.um_per_px:.3g} um per pixel, coarser than --um-per-px "
            f"{request.um_per_px:g}; ask for {scan.um_per_px:.3g} or more"
        )
    return scale


def list_places(
    scan: Scan, tissue: npt.NDArray[np.bool_], scale: float, request: TileRequest
) -> Iterator[tuple[int, int, int, int]]:
    """Row, column, x and y (level-0 pixels) of the grid's tiles that have enough tissue.

    Args:
        scan: the slide.
        tissue: where there is tissue, at any resolution [h, w].
        scale: level-0 pixels per tile pixel.
        request: tile size, overlap, least tissue.
    """
    side = scale * request.tile_px
    step = scale * max(1, round(request.tile_px * (1 - request.overlap)))
    down, across = tissue.shape[0] / scan.height, tissue.shape[1] / scan.width
    for row, y in enumerate(np.arange(0, scan.height - side + 1e-6, step)):
        rows = tissue[int(y * down) : round((y + side) * down)]
        for column, x in enumerate(np.arange(0, scan.width - side + 1e-6, step)):
            window = rows[:, int(x * across) : round((x + side) * across)]
            if window.size and window.mean() >= request.min_tissue:
                yield row, column, int(x), int(y)


def _describe(mask: Pixels) -> dict[str, Any]:
    """Label as in SICAPv2, the commonest grade; Non-Cancer only where every pixel is known."""
    counts = np.bincount(mask[mask != IGNORE], minlength=NUM_LABELS)
    label: int | None = int(counts[1:].argmax()) + 1
    if not counts[1:].any():
        label = int(Label.NC) if counts[Label.NC] == mask.size else None
    return {"label": label, "is_mixed": bool((counts > 0).sum() > 1)}


def _finish(jobs: Sequence[Job], request: TileRequest, writer: SetWriter | None) -> TileReport:
    records = {job.slide.slide_id: read_json(_record(request, job)) for job in jobs}
    slides = [job.slide for job in jobs if records[job.slide.slide_id]["tiles"]]
    if not slides:
        raise BadInput(
            f"{request.slides}: no tile has {request.min_tissue:.0%} tissue; give a smaller "
            "--min-tissue, --tile-px or --um-per-px"
        )
    tiles = {t["name"]: t for slide in slides for t in records[slide.slide_id]["tiles"]}
    labels = {n: Label(t["label"]) for n, t in tiles.items() if t["label"] is not None}
    is_by_position = len({slide.patient_id for slide in slides}) < LEAST_PATIENTS
    groups = deal_patients(slides, request.seed)
    if is_by_position:
        groups = band_tiles([records[slide.slide_id] for slide in slides])
    if writer is not None:
        partitions = name_partitions(groups)
        writer.finish(slides, partitions, labels, is_split_by_position=is_by_position)
    ...
