"""Numbers and places in the files of a graded slide."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import tifffile

from disc.api import Model
from disc.data.wsi.formats import open_pyramid
from disc.labels import IGNORE, Label
from disc.slides.reading.canvas import Canvas, build_pyramid, choose_for_regions, level_edges
from disc.slides.reading.map_grid import Box, MapGrid
from disc.slides.writing.rasters import write_map
from disc.slides.writing.regions import find_areas, outline_lost
from tests.slides.qupath_reader import read_objects

GRID = MapGrid(width=200, height=150, scale=7.93, um_per_px=2.0, slide_px=(1586, 1189))


def test_areas_are_those_of_their_outlines() -> None:
    """Also the smallest that are drawn, of .01 mm², at a resolution that is not a round number."""
    part = np.zeros((5, GRID.height, GRID.width), np.uint8)
    part[-1] = IGNORE
    part[-1, 3:55, 5:60], part[-1, 60:149, 7:190] = Label.GG3, Label.GG5
    part[-1, 70:90, 20:31] = Label.NC
    areas, dropped = find_areas(part, GRID.edges, GRID.um_per_slide_px)
    lost = [outline_lost(GRID, box) for box in (Box(32, 32, 32, 32), Box(192, 128, 32, 32))]
    found = [*areas, *lost]
    assert len(found) == 4 and len(dropped) == 1
    for each in found:
        level0 = shapely.Polygon(each.shell, each.holes).area
        mm2 = level0 * (GRID.um_per_slide_px / 1000) ** 2
        assert each.measurements["Area mm2"] == pytest.approx(mm2, rel=1e-6)


class Cropped:
    """A slide of which a part alone was recorded, as MIRAX says it."""

    def __init__(self, path: Path, *, is_mask: bool = False) -> None:
        self._slide = open_pyramid(path, is_mask=is_mask)
        bounds = {"openslide.bounds-x": "37", "openslide.bounds-y": "211"}
        self.properties = {**self._slide.properties, **bounds}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._slide, name)


def test_coordinates_for_qupath_are_less_the_bounds_that_the_slide_says(
    model: Model, slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.grade(slide, tmp_path / "whole", passes=1)
    monkeypatch.setattr("disc.data.wsi.scan.open_pyramid", Cropped)
    model.grade(slide, tmp_path / "cropped", passes=1)
    for name in ("regions.geojson", "tiles.geojson.gz"):
        whole, cropped = (read_objects(tmp_path / kind / name) for kind in ("whole", "cropped"))
        assert len(whole) == len(cropped) > 0
        for plain, moved in zip(whole, cropped, strict=True):
            assert moved.polygon.equals(shapely.affinity.translate(plain.polygon, -37, -211))
    # the table keeps the places of level 0, as WSInfer's does
    with (tmp_path / "cropped" / "tiles.csv").open() as file:
        corners = [
            (float(row["minx"]) - 37, float(row["miny"]) - 211) for row in csv.DictReader(file)
        ]
    assert corners == [each.polygon.bounds[:2] for each in cropped]


def test_the_map_has_coarser_copies_in_subifds(tmp_path: Path) -> None:
    canvas = Canvas.create(tmp_path / "map", 1000, 701)
    probabilities, tissue = np.zeros((4, 701, 1000), np.float32), np.ones((701, 1000), bool)
    probabilities[Label.GG4, :, :600], probabilities[Label.NC, :, 600:] = 1, 1
    tissue[400:] = False
    canvas.write(canvas.whole(), probabilities, tissue)
    levels = build_pyramid(canvas)
    write_map(tmp_path / "map.ome.tiff", levels, 2.0, "a")
    with tifffile.TiffFile(tmp_path / "map.ome.tiff") as file:
        assert [len(page.subifds or ()) for page in file.pages] == [1] * 5
        for image, planes in zip(file.series, (slice(4), 4), strict=True):
            assert [level.shape[-2:] for level in image.levels] == [(701, 1000), (351, 500)]
            for level, own in zip(image.levels, levels, strict=True):
                assert (level.asarray() == own.read(own.whole())[planes]).all()
                assert level.keyframe.is_tiled
            assert image.levels[1].keyframe.is_reduced and not image.keyframe.is_reduced


def test_areas_of_a_large_map_are_those_of_a_coarser_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = MapGrid(width=1000, height=701, scale=2.03, um_per_px=2.0, slide_px=(2030, 1423))
    canvas = Canvas.create(tmp_path / "map", grid.width, grid.height)
    probabilities, tissue = np.zeros((4, 701, 1000), np.float32), np.zeros((701, 1000), bool)
    probabilities[Label.GG4], tissue[:401, :601] = 1, True
    canvas.write(canvas.whole(), probabilities, tissue)
    levels = build_pyramid(canvas)
    found = []
    for most, step in ((701_000, 1), (700_999, 2)):
        monkeypatch.setattr("disc.slides.reading.canvas.MAX_REGION_PX", most)
        level = choose_for_regions(levels)
        assert level.step == step
        part, edges = level.read(level.whole()), level_edges(grid, level)
        areas, _ = find_areas(part, edges, grid.um_per_slide_px)
        (area,) = areas
        mm2 = shapely.Polygon(area.shell).area * (grid.um_per_slide_px / 1000) ** 2
        found.append(area.measurements["Area mm2"])
        assert found[-1] == pytest.approx(mm2, rel=1e-6)
    own = grid.areas_mm2(canvas.whole())[tissue].sum()
    assert found[0] == pytest.approx(own, rel=1e-6)
    # a pixel of the copy reaches one of the map's further, right and down
    assert own * (1 + 1e-3) < found[1] < own * (1 + 1e-2)


def test_one_slide_from_python_is_whole_for_the_command(
    model: Model, slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the marker that says so; outlines say what the graders have seen."""
    record = model.grade(slide, tmp_path / slide.stem, passes=1)
    report = model.grade_slides([slide], tmp_path, passes=1)
    assert not capsys.readouterr().out
    assert not report.said and not report.failures
    assert report.before == {slide.stem: record.tell()}
    assert f"{slide.stem}: {record.tell()} (graded before)" in str(report)
    outlines = json.loads((tmp_path / slide.stem / "regions.geojson").read_text())["features"]
    for outline in outlines:
        said = outline["properties"]["metadata"]
        assert said["trained on"] == record.trained_on
        assert said.get("no grade", "") == ", ".join(reason.code for reason in record.abstained)


def test_a_resolution_that_is_not_needed_is_said(
    model: Model, slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = model.grade(slide, passes=1, mpp=2.0)
    assert record.source.um_per_px == pytest.approx(0.5)
    said = f"{slide.name}: says 0.5 µm per pixel itself; 2 is for slides that do not say"
    assert said in capsys.readouterr().out
