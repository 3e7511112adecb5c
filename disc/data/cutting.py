"""One slide to its tiles, written, with a picture of where they were taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.data.annotations import Annotation
from disc.data.images import Pixels, encode_png
from disc.data.jobs import Job
from disc.data.overview import draw_overview
from disc.data.panda import meaning_of
from disc.data.request import TileRequest
from disc.data.sicapv2 import SetWriter, format_name
from disc.data.slides import Scan
from disc.data.tissue import UM_PER_PX, find_tissue
from disc.files import BadInput, write_bytes
from disc.labels import IGNORE, NUM_LABELS, Label


def cut_slide(job: Job, request: TileRequest, writer: SetWriter) -> dict[str, Any]:
    """Write the tiles and the overview of a slide.

    Returns:
        What the division into parts needs: `side` of a tile in level-0 pixels, `axis` along which
        the slide is longer, and for each tile its name, place, label and whether it is mixed.

    Raises:
        BadInput: if slide or mask cannot be used.
    """
    scan = Scan(job.path, request.mpp)
    scale = _scale(scan, request)
    annotation = None
    if job.mask is not None:
        meaning = meaning_of(request, job.path.stem, job.case)
        annotation = Annotation(job.mask, meaning, scan, reach_um=request.reach_um)
    tissue = find_tissue(scan.read_whole(UM_PER_PX), max(UM_PER_PX, scan.um_per_px))
    size, tiles = (request.tile_px, request.tile_px), []
    for row, column, x, y in list_places(scan, tissue, scale, request):
        mask = np.full(size, IGNORE, np.uint8)
        if annotation is not None:
            mask = annotation.read(x, y, size, scale)
        name = format_name(job.slide.slide_id, (row, column), x, y)
        writer.add(name, scan.read(x, y, size, scale), mask)
        tiles.append({"name": name, "x": x, "y": y, **_describe(mask)})
    side = scale * request.tile_px
    picture = draw_overview(scan, tissue, [(tile["x"], tile["y"]) for tile in tiles], side)
    write_bytes(request.out / "thumbnails" / f"{job.slide.slide_id}.png", encode_png(picture))
    return {"side": side, "axis": "y" if scan.height > scan.width else "x", "tiles": tiles}


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
