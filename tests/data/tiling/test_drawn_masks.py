"""`disc tile` with drawn areas beside slides, and with scores that masks tell."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from disc.data.readers.sicapv2 import read_set
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import tile_slides
from disc.files import BadInput
from tests.data.scans import HEIGHT, WIDTH, save_slide

STEP = 4
W, H = WIDTH // STEP, HEIGHT // STEP
HALF = H // 2


def draw(root: Path, lower: str) -> TileRequest:
    """A slide whose upper half is called GG3, and its lower one something."""
    save_slide(root, "one", step=STEP)
    features = []
    for name, top, bottom in (("GG3", 0, HALF), (lower, HALF, H)):
        ring = [[0, top], [W, top], [W, bottom], [0, bottom], [0, top]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        named = {"classification": {"name": name}}
        features.append({"type": "Feature", "geometry": geometry, "properties": named})
    (root / "drawn").mkdir()
    (root / "drawn" / "one.geojson").write_text(json.dumps(features))
    return TileRequest(
        slides=root / "slides",
        masks=root / "drawn",
        out=root / "out",
        tile_px=32,
        um_per_px=4.0,
        processes=1,
    )


def test_tiles_have_the_labels_of_the_areas_that_they_lie_in(tmp_path: Path) -> None:
    request = replace(draw(tmp_path, "strange"), classes={"strange": 4}, scores_from_masks=True)
    report = tile_slides(request)
    tiles = read_set(request.out, 32)
    assert report.labels["GG3"] > 5 and report.labels["GG4"] > 5
    for index, tile in enumerate(tiles.tiles):
        mask, side = tiles.mask(index), 32 * 4.0 / (0.5 * STEP)
        middle = (HALF - tile.y) / side * 32
        assert set(np.unique(mask[: max(0, int(middle) - 1)])) <= {1}
        assert set(np.unique(mask[max(0, int(middle) + 2) :])) <= {2}
    table = pd.read_excel(request.out / "wsi_labels.xlsx")
    assert sorted(table[["Gleason_primary", "Gleason_secondary"]].iloc[0]) == [3, 4]
    assert "scores of 1 slide(s) were derived from their masks" in str(report)


def test_what_is_drawn_and_is_no_area_is_counted(tmp_path: Path) -> None:
    request = draw(tmp_path, "benign")
    path = tmp_path / "drawn" / "one.geojson"
    assert not any("no area" in line for line in tile_slides(request).lines())
    places = {"Point": [3, 3], "LineString": [[0, 0], [9, 9]]}
    parts = [{"type": kind, "coordinates": place} for kind, place in places.items()]
    others = [*parts, {"type": "GeometryCollection", "geometries": parts}]
    features = [{"type": "Feature", "geometry": other, "properties": {}} for other in others]
    path.write_text(json.dumps([*json.loads(path.read_text()), *features]))
    report = tile_slides(replace(request, out=tmp_path / "second"))
    assert report.others == {"one": 4}
    assert (
        "drawn, but no area (lines, points), so left out: 4 in 1 slide(s), most one: 4"
    ) in report.lines()


def test_scores_come_from_masks_only_where_asked_and_cut_nothing_again(tmp_path: Path) -> None:
    request = draw(tmp_path, "benign")
    assert tile_slides(request).without_score == ["one"]
    before = {path: path.stat().st_mtime_ns for path in request.out.glob("images/*")}
    report = tile_slides(replace(request, scores_from_masks=True))
    assert not report.without_score and before
    assert before == {path: path.stat().st_mtime_ns for path in request.out.glob("images/*")}
    table = pd.read_excel(request.out / "wsi_labels.xlsx")
    assert table[["Gleason_primary", "Gleason_secondary"]].iloc[0].tolist() == [3, 3]


def test_a_class_without_a_meaning_fails_the_slide_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"one\.geojson: 1 class\(es\).*'strange'.*--classes"):
        tile_slides(draw(tmp_path, "strange"))
