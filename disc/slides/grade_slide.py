"""One slide: read, judged, and written into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.data.pixels.images import encode_png
from disc.data.wsi.scan import Scan
from disc.files import BadInput, write_bytes
from disc.labels import Label
from disc.slides.graders import Graders
from disc.slides.judging.attention import attend
from disc.slides.judging.calibration import Calibration
from disc.slides.judging.foci import find_sure, measure_focus
from disc.slides.judging.record import (
    RESEARCH,
    GradeRecord,
    MapFacts,
    RegionFacts,
    write_record,
)
from disc.slides.judging.rules import CANCER
from disc.slides.judging.verdict import judge
from disc.slides.make_record import describe_source, make_record, make_stamp
from disc.slides.reading.canvas import Canvas, build_pyramid, choose_for_regions, level_edges
from disc.slides.reading.read_slide import SlideReading, read_slide
from disc.slides.writing.geojson import area_features, write_features
from disc.slides.writing.page import Shown, ShownTile, write_page
from disc.slides.writing.pictures import colour_map, draw_overlay, look_at, with_bar
from disc.slides.writing.rasters import write_map
from disc.slides.writing.regions import (
    Edges,
    find_areas,
    measure_box,
    measure_pixels,
    outline_lost,
)
from disc.slides.writing.tiles import list_tiles, tile_features, write_table

NUM_SHOWN = 4
"""Tiles of a kind that the page shows."""


def grade_slide(
    graders: Graders, calibration: Calibration, scan: Scan, folder: Path, passes: int
) -> GradeRecord:
    """Grade a slide, and write all of its files but the marker.

    Args:
        graders: that read it.
        calibration: of these graders.
        scan: the slide.
        folder: that is empty.
        passes: of windows over it.

    Returns:
        What `grade.json` holds.

    Raises:
        BadInput: if it has no tissue, is too coarse, damaged, or does not say its resolution.
    """
    reading = read_slide(graders, calibration, scan, folder, passes)
    levels = build_pyramid(reading.canvas)
    level = choose_for_regions(levels)
    part, edges = level.read(level.whole()), level_edges(reading.grid, level)
    focus = find_focus(part, edges, reading.grid.um_per_slide_px, calibration.temperature)
    verdict = judge(replace(reading.evidence, focus_mm2=focus), calibration, graders.slide)
    program = version("disc-gleason")
    stamp = make_stamp(graders, verdict, slide=scan.path.name, version=program, bounds=scan.bounds)
    areas, dropped = find_areas(part, edges, reading.grid.um_per_slide_px)
    lost = [outline_lost(reading.grid, box) for box in reading.cells.unreadable]
    path = folder / "regions.geojson"
    regions = RegionFacts(
        kept=write_features(path, area_features(chain(areas, lost), stamp)),
        um_per_px=round(reading.grid.um_per_px * level.step, 6),
        dropped=len(dropped),
        dropped_mm2=round(float(sum(dropped)), 6),
        simplified=0,
    )
    del part  # may be the largest array of all
    tiles = (reading.canvas, reading.grid, graders.tile_px)
    num_tiles = write_table(folder / "tiles.csv", list_tiles(*tiles), scan.um_per_px)
    write_features(folder / "tiles.geojson.gz", tile_features(list_tiles(*tiles), stamp))
    write_map(folder / "map.ome.tiff", levels, reading.grid.um_per_px, stamp.name("map", 0))
    facts = _describe_map(reading, calibration, graders=graders, passes=passes, focus=focus)
    record = make_record(
        graders,
        verdict,
        floors=calibration.named_floors,
        far=calibration.far,
        source=describe_source(graders, scan.path, scan.um_per_px),
        num_tiles=num_tiles,
        tissue_mm2=round(float(reading.evidence.areas.sum()), 6),
        map=facts,
        regions=regions,
    )
    write_record(folder, record)
    _write_pictures(folder, graders, reading, levels, record)
    for level in levels:
        level.path.unlink()
    return record


def _describe_map(
    reading: SlideReading, calibration: Calibration, *, graders: Graders, passes: int, focus: float
) -> MapFacts:
    lost = sum(float(measure_box(reading.grid, box)) for box in reading.cells.unreadable)
    return MapFacts(
        um_per_px=round(reading.grid.um_per_px, 6),
        window_px=graders.tile_px,
        passes=passes,
        temperature=round(calibration.temperature, 6),
        ece_before=round(calibration.ece_before, 6),
        ece_after=calibration.ece_after and round(calibration.ece_after, 6),
        unreadable_mm2=round(lost, 6),
        focus_mm2=round(focus, 6),
        focus_threshold_mm2=calibration.focus_mm2,
    )


def find_focus(
    part: npt.NDArray[np.uint8], edges: Edges, um_per_px: float, temperature: float
) -> float:
    """The largest connected region of a map that graders are sure is cancer, in mm².

    Of a map too large to be held, at a level whose probabilities are means.

    Args:
        part: of a canvas, uint8 [5, h, w].
        edges: level-0 coordinates between its pixels, across and down.
        um_per_px: width of a level-0 pixel.
        temperature: by which logits were divided.
    """
    has_tissue = part[-1] < len(Label)
    is_sure = has_tissue & find_sure(part[:-1] / np.float32(255), temperature)
    return measure_focus(is_sure, measure_pixels(edges, um_per_px))


def _write_pictures(
    folder: Path, graders: Graders, reading: SlideReading, levels: list[Canvas], record: GradeRecord
) -> None:
    slide, um_per_px = look_at(reading.scan)
    size = slide.shape[1], slide.shape[0]
    lost = reading.cells.unreadable
    colours = colour_map(levels, size, reading.grid, lost)
    notes = [RESEARCH, f"trained on {record.trained_on}"]
    notes += ["no grade is given"] if record.abstained else []
    overlay = draw_overlay(slide, colours, um_per_px, has_lost=bool(lost), notes=notes)
    write_bytes(folder / "overlay.png", encode_png(overlay))
    write_bytes(folder / "thumbnail.png", encode_png(with_bar(slide, um_per_px)))
    shown = Shown(
        record=record,
        slide=slide,
        colours=colours,
        um_per_px=um_per_px,
        tiles=list(_show_tiles(graders, reading)),
    )
    write_page(folder / "report.html", shown)


def _show_tiles(graders: Graders, reading: SlideReading) -> Iterator[ShownTile]:
    """Windows that are likeliest of a grade on the map, and those that slide graders look at."""
    if not reading.windows:
        return
    means = np.stack([reading.canvas.means(box)[0] for box in reading.windows])
    kinds = {f"highest probability of {label.name}": means[:, label] for label in CANCER}
    if graders.slide:
        looked = attend(graders.slide, reading.evidence.features)
        kinds["most attention of the slide grader"] = looked
    across, down = reading.grid.edges
    for heading, values in kinds.items():
        for place in np.argsort(-values, kind="stable")[:NUM_SHOWN]:
            box = reading.windows[place]
            try:
                pixels = reading.cells.read(box, [box])
            except BadInput:
                continue
            corner = int(across[max(0, box.x)]), int(down[max(0, box.y)])
            yield ShownTile(
                heading=heading, value=float(values[place]), corner=corner, pixels=pixels
            )
