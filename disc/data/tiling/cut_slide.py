"""One slide to its tiles, written, with a picture of where they were taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.data.pixels.images import Pixels, encode_jpeg
from disc.data.readers.class_folders import find_class
from disc.data.readers.sicapv2 import format_name
from disc.data.readers.slide_masks import name_slide
from disc.data.tiles.labels import Counts, count_labels, label_tile
from disc.data.tiling.grid import (
    Block,
    Place,
    list_blocks,
    list_dropped,
    list_places,
    listed_places,
)
from disc.data.tiling.jobs import Job
from disc.data.tiling.overview import Overview, draw_overview
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tissue import UM_PER_PX, find_black, find_pen, find_tissue
from disc.data.writing.set_writer import SetWriter
from disc.data.wsi.annotation import Annotation, Labels
from disc.data.wsi.coordinates import Coordinates, Grid, encode_coordinates, read_coordinates
from disc.data.wsi.drawn_annotation import DrawnAnnotation
from disc.data.wsi.scan import Scan
from disc.files import BadInput, digest, write_bytes
from disc.labels import GRADES, IGNORE, NUM_LABELS
from disc.processes import Share

_TOLERANCE = 0.05
"""How far squares of a file of coordinates may be from --tile-px x --um-per-px: magnification is
nominal."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A slide, opened, and where its tiles are."""

    scan: Scan
    annotation: Labels | None
    tissue: npt.NDArray[np.bool_]
    scale: float
    pen: float
    """What strokes of a pen have of all that is coloured, 0 to 1."""
    places: list[Place]
    dropped: list[Place]
    """Where there is too little tissue for a tile."""


def cut_slide(
    job: Job, request: TileRequest, writer: SetWriter, share: Share | None = None
) -> dict[str, Any]:
    """Write the tiles of a slide, or a process's share of them; the first also writes the overview.

    Returns:
        What the division into parts needs: `side` of a tile in level-0 pixels, `axis` along which
        the slide is longer, and for each tile its name, place, label, and whether it is mixed;
        `um_per_px`, the width of its pixels; `given_um`, the same where the file does not say it;
        `pen`, the fraction
        that strokes of a pen have of all that is coloured; `others`, how many drawn things are no
        area; `meaning`, of what its mask's values mean; `pixels` of each label in its tiles.

    Raises:
        BadInput: if slide or mask cannot be used.
    """
    share, plan = share or Share(), _plan(job, request)
    scan, side = plan.scan, plan.scale * request.tile_px
    _, downsample, _ = scan.level_for(plan.scale)
    blocks = list_blocks(plan.places, request.tile_px, plan.scale, downsample)
    tiles, pixels = [], np.zeros(NUM_LABELS, np.int64)
    for block in (block for number, block in enumerate(blocks) if share.has(number)):
        for place, image, mask in _cut(block, plan, request.tile_px):
            x, y = place.corner
            name = format_name(job.slide.slide_id, (place.row, place.column), x, y)
            writer.add(name, image, mask)
            counts = count_labels(mask)
            pixels += counts
            tiles.append({"name": name, "x": x, "y": y, **_describe(counts, mask.size)})
    if share.is_first:
        _write_beside(job, request, plan)
    axis = "y" if scan.height > scan.width else "x"
    given = scan.um_per_px if scan.is_given_um else None
    drawn = plan.annotation if isinstance(plan.annotation, DrawnAnnotation) else None
    others = drawn.num_others if drawn else 0
    facts = {"side": side, "axis": axis, "um_per_px": scan.um_per_px, "given_um": given}
    facts |= {"pen": plan.pen, "others": others, "meaning": sign_meaning(job)}
    return {**facts, "tiles": tiles, "pixels": pixels.tolist()}


def _plan(job: Job, request: TileRequest) -> _Plan:
    scan, scale, listed = open_slide(job, request)
    annotation = _open_labels(job, request, scan)
    overview_um = max(UM_PER_PX, scan.um_per_px)
    whole = scan.read_whole(UM_PER_PX)
    tissue = find_tissue(whole, overview_um, request.tissue)
    places, dropped = list(listed_places(listed)) if listed else [], list[Place]()
    if listed is None:
        places = list(list_places(scan, tissue, scale, request))
        dropped = list(list_dropped(scan, tissue, scale, request))
    return _Plan(
        scan=scan,
        annotation=annotation,
        tissue=tissue,
        scale=scale,
        pen=0.0 if request.tissue.keep_pen else _share_of_pen(whole, tissue, overview_um),
        places=places,
        dropped=dropped,
    )


def _open_labels(job: Job, request: TileRequest, scan: Scan) -> Labels | None:
    if job.mask is None:
        return None
    if job.meaning is not None:
        return Annotation(job.mask, job.meaning, scan, reach_um=request.reach_um)

    def grade_of(name: str) -> int | None:
        label = find_class(name)
        return request.classes.get(name, None if label is None else GRADES[label])

    return DrawnAnnotation(job.mask, grade_of, scan, outside=request.outside)


def _share_of_pen(whole: Pixels, tissue: npt.NDArray[np.bool_], um_per_px: float) -> float:
    # glass that a scanner left black is no tissue either, but nobody drew it
    pen = find_pen(np.where(find_black(whole)[..., None], np.uint8(255), whole), um_per_px)
    return float(pen.sum() / max(1, (pen | tissue).sum()))


def open_slide(job: Job, request: TileRequest) -> tuple[Scan, float, Coordinates | None]:
    """A slide, how many of its pixels are one of a tile, and where its tiles are listed.

    Raises:
        BadInput: if it is no slide, has a fault, or is too coarse, or if the table says another
            resolution of it than its file.
    """
    if job.fault:
        raise BadInput(job.fault)
    scan = Scan(job.path, job.um_per_px)
    if contradicts(job, scan.um_per_px):
        raise BadInput(
            f"{job.path}: says {scan.um_per_px:.3g} µm per pixel, and the table of --labels mpp "
            f"{job.um_per_px:.3g}; correct one of them"
        )
    scale = request.um_per_px / scan.um_per_px
    listed = None
    if job.coordinates is not None:
        listed = _read_listed(job.coordinates, request, scan)
        scale = listed.side / request.tile_px
    if scale < 0.99:
        raise BadInput(
            f"{scan.path}: has {scan.um_per_px:.3g} µm per pixel, coarser than --um-per-px "
            f"{request.um_per_px:g}; ask for {scan.um_per_px:.3g} or more"
        )
    return scan, scale, listed


def sign_meaning(job: Job) -> str | None:
    """A hash of what the values of a slide's mask mean; None: they mean nothing."""
    if job.meaning is None:
        return None
    return digest([sorted(job.meaning.grades.items()), job.meaning.stroma])


def contradicts(job: Job, um_per_px: float | None) -> bool:
    """Whether the table says another width of a slide's pixels than was found (None: unknown)."""
    if um_per_px is None or job.um_per_px is None or not job.is_listed_um:
        return False
    return abs(um_per_px / job.um_per_px - 1) > _TOLERANCE


def _read_listed(path: Path, request: TileRequest, scan: Scan) -> Coordinates:
    listed = read_coordinates(path)
    um_per_px = listed.side * scan.um_per_px / request.tile_px
    if abs(um_per_px / request.um_per_px - 1) > _TOLERANCE:
        raise BadInput(
            f"{path}: squares of {listed.side:g} px, in tiles of {request.tile_px} px, "
            f"have {um_per_px:.3g} µm per pixel; give --um-per-px {um_per_px:.3g}"
        )
    if len(listed.xy) and (listed.xy >= (scan.width, scan.height)).any():
        raise BadInput(
            f"{path}: places up to {listed.xy.max(0).tolist()} lie outside of "
            f"{scan.path}, {scan.width} x {scan.height} px; give the coordinates of this slide"
        )
    return listed


def _cut(block: Block, plan: _Plan, tile_px: int) -> Iterator[tuple[Place, Pixels, Pixels]]:
    """Image and mask of every place of a block."""
    whole = plan.scan.read(block.x, block.y, block.size, plan.scale)
    labels = np.full(block.size[::-1], IGNORE, np.uint8)
    if plan.annotation is not None:
        labels = plan.annotation.read(block.x, block.y, block.size, plan.scale)
    for place in block.places:
        left, top = (
            round((place.x - block.x) / plan.scale),
            round((place.y - block.y) / plan.scale),
        )
        window = slice(top, top + tile_px), slice(left, left + tile_px)
        yield place, np.ascontiguousarray(whole[window]), np.ascontiguousarray(labels[window])


def _write_beside(job: Job, request: TileRequest, plan: _Plan) -> None:
    """The picture of the slide, and its coordinates for other programs."""
    scan, corners = plan.scan, [place.corner for place in plan.places]
    side = plan.scale * request.tile_px
    overview = Overview(
        scan=scan,
        annotation=plan.annotation,
        tissue=plan.tissue,
        kept=corners,
        dropped=[place.corner for place in plan.dropped],
        side=side,
    )
    path = request.out / "thumbnails" / f"{job.slide.slide_id}.jpg"
    write_bytes(path, encode_jpeg(draw_overview(overview)), is_durable=False)
    level, downsample, level_size = scan.level_for(plan.scale)
    grid = Grid(
        slide=name_slide(job.path),
        size=(scan.width, scan.height),
        um_per_px=scan.um_per_px,
        level=level,
        downsample=downsample,
        level_size=level_size,
        side=side,
        overlap=request.overlap,
    )
    path = request.out / "patches" / f"{name_slide(job.path)}.h5"
    write_bytes(path, encode_coordinates(corners, grid), is_durable=False)


def _describe(counts: Counts, num_pixels: int) -> dict[str, Any]:
    label = label_tile(counts, num_pixels)
    is_mixed = np.count_nonzero(counts) > 1
    return {"label": None if label is None else int(label), "is_mixed": bool(is_mixed)}
