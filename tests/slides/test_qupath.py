"""Outlines and tiles as QuPath reads them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from disc.labels import IGNORE, PALETTES, Label
from disc.slides.writing.geojson import Area, Stamp, area_features, classify, write_features
from disc.slides.writing.outlines import number_regions, trace_regions
from disc.slides.writing.regions import find_areas
from disc.slides.writing.tiles import TileReading, tile_features
from tests.slides.qupath_reader import read_objects

STAMP = Stamp(slide="a.tiff", run="run", version="1")
UM = 100.0
"""Micrometres per level-0 pixel: so wide that no piece is too small."""
SHAPES = {
    "one pixel": ["#"],
    "a bar": ["###", "..."],
    "touching corners": ["#.", ".#"],
    "three touching corners": ["#.#", ".#.", "#.#"],
    "one-pixel bridge": ["###", "..#", "###"],
    "bridge between blocks": ["##...##", "#######", "##...##"],
    "hole": ["###", "#.#", "###"],
    "hole at a corner of the shell": ["####", "#.##", "##.#", ".###"],
    "two holes that touch": ["####", "#.##", "##.#", "####"],
    "hole closed by a corner": ["##.", "#.#", "###"],
    "island in a hole": ["#####", "#...#", "#.#.#", "#...#", "#####"],
    "at every edge of the slide": ["#.#", "...", "#.#"],
    "comb": ["#.#.#", "#####", "#.#.#"],
}


def part_of(rows: list[str]) -> np.ndarray:
    """A canvas's planes where # is GG4 and . is no tissue."""
    labels = np.array([[2 if cell == "#" else IGNORE for cell in row] for row in rows], np.uint8)
    probabilities = np.zeros((4, *labels.shape), np.uint8)
    probabilities[2][labels == 2] = 204
    return np.concatenate([probabilities, labels[None]])


def edges_of(shape: tuple[int, int], scale: float) -> tuple[np.ndarray, np.ndarray]:
    across, down = (np.round(np.arange(n + 1) * scale).astype(np.int64) for n in shape[::-1])
    return across, down


def write_areas(path: Path, part: np.ndarray, scale: float, stamp: Stamp = STAMP) -> list:
    areas, dropped = find_areas(part, edges_of(part.shape[1:], scale), UM)
    assert not dropped
    write_features(path, area_features(areas, stamp))
    return read_objects(path)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 12.34])
def test_every_shape_is_read_with_the_area_of_its_pixels(
    name: str, scale: float, tmp_path: Path
) -> None:
    part = part_of(SHAPES[name])
    found = write_areas(tmp_path / "regions.geojson", part, scale)
    across, down = edges_of(part.shape[1:], scale)
    sizes = np.outer(np.diff(down), np.diff(across))
    expected = sizes[part[-1] == 2].sum()
    assert sum(each.polygon.area for each in found) == pytest.approx(expected, rel=1e-6)
    assert shapely.union_all([each.polygon for each in found]).area == pytest.approx(expected)
    mm2 = sum(each.measurements["Area mm2"] for each in found)
    assert mm2 == pytest.approx(expected * (UM / 1000) ** 2, rel=1e-6)
    assert all(each.measurements["Mean probability"] == pytest.approx(0.8) for each in found)


@pytest.mark.parametrize(
    ("name", "regions", "holes"),
    [
        ("touching corners", 2, 0),
        ("one-pixel bridge", 1, 0),
        ("bridge between blocks", 1, 0),
        ("hole", 1, 1),
        ("hole closed by a corner", 1, 1),
        ("two holes that touch", 1, 2),
        ("island in a hole", 2, 1),
    ],
)
def test_regions_and_holes(name: str, regions: int, holes: int, tmp_path: Path) -> None:
    found = write_areas(tmp_path / "regions.geojson", part_of(SHAPES[name]), 3.0)
    assert len(found) == regions
    assert sum(len(each.polygon.interiors) for each in found) == holes


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, (7, 8), elements=st.sampled_from([0, 1, 2, 3, IGNORE])))
def test_any_map_is_valid_and_covers_its_pixels(labels: np.ndarray) -> None:
    numbers, _ = number_regions(labels, [0, 1, 2, 3])
    for region in trace_regions(numbers):
        polygon = shapely.Polygon(region.shell, region.holes)
        assert polygon.is_valid
        assert polygon.area == (numbers == region.number).sum()
    assert (numbers > 0).sum() == (labels != IGNORE).sum()


def test_neighbours_leave_no_gap(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (20, 30)).astype(np.uint8)
    part = np.concatenate([np.zeros((4, 20, 30), np.uint8), labels[None]])
    areas, _ = find_areas(part, edges_of((20, 30), 7.7), UM)
    polygons = [shapely.Polygon(area.shell, area.holes) for area in areas]
    whole = shapely.union_all(polygons)
    assert len(whole.interiors) == 0
    assert whole.area == pytest.approx(sum(polygon.area for polygon in polygons))


def test_bounds_are_taken_off(tmp_path: Path) -> None:
    part = part_of(SHAPES["hole"])
    (plain,) = write_areas(tmp_path / "a.geojson", part, 10.0)
    stamp = Stamp(slide="a.tiff", run="run", version="1", bounds=(7, 11))
    (moved,) = write_areas(tmp_path / "b.geojson", part, 10.0, stamp)
    assert moved.polygon.equals(shapely.affinity.translate(plain.polygon, -7, -11))


def test_classes_colours_names_and_ids(tmp_path: Path) -> None:
    part = part_of(SHAPES["touching corners"])
    found = write_areas(tmp_path / "a.geojson", part, 10.0)
    assert {each.classification for each in found} == {"GG4"}
    assert {each.colour for each in found} == {PALETTES["safe"][Label.GG4]}
    assert found[0].name == "GG4 1.00 mm2" and found[0].kind == "annotation"
    assert all(each.is_locked for each in found)
    again = write_areas(tmp_path / "b.geojson", part, 10.0)
    assert [each.identity for each in again] == [each.identity for each in found]
    assert all(each.identity is not None and each.identity.version == 5 for each in found)
    other = Stamp(slide="b.tiff", run="run", version="1")
    (first, _) = write_areas(tmp_path / "c.geojson", part, 10.0, other)
    assert first.identity not in {each.identity for each in found}


def test_what_is_not_valid_is_never_written(tmp_path: Path) -> None:
    bow = np.array([(0, 0), (2, 2), (2, 0), (0, 2)])
    area = Area(kind="GG4", shell=bow, holes=(), measurements={})
    with pytest.raises(ValueError, match="Self-intersection"):
        write_features(tmp_path / "a.geojson", area_features([area], STAMP))


def test_the_model_of_the_reader_refuses(tmp_path: Path) -> None:
    feature = next(
        tile_features(
            [TileReading(left=0, top=0, right=4, bottom=4, probabilities=np.full(4, 0.25))], STAMP
        )
    )
    path = tmp_path / "a.geojson"
    for key, value in (("classification", {"name": "GG4"}), ("measurements", {"a": "much"})):
        wrong = {**feature, "properties": {**feature["properties"], key: value}}
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [wrong]}))
        with pytest.raises(ValueError):
            read_objects(path)


def test_tiles_are_detections_with_numbers(tmp_path: Path) -> None:
    probabilities = np.array([0.1, 0.2, 0.6, 0.1])
    tile = TileReading(left=10, top=20, right=30, bottom=40, probabilities=probabilities)
    stamp = Stamp(slide="a", run="r", version="1", bounds=(10, 20))
    write_features(tmp_path / "tiles.geojson.gz", tile_features([tile], stamp))
    (found,) = read_objects(tmp_path / "tiles.geojson.gz")
    assert found.kind == "tile" and found.classification == "GG4"
    assert found.polygon.bounds == (0, 0, 20, 20)
    assert found.measurements["prob_GG4"] == 0.6
    assert found.measurements["entropy"] == pytest.approx(1.0889, abs=1e-4)
    assert classify("Unreadable")["color"]


MANY = """
import sys
from pathlib import Path
import numpy as np
from disc.slides.writing.geojson import Stamp, write_features
from disc.slides.writing.tiles import TileReading, tile_features
stamp, p = Stamp(slide="a", run="r", version="1"), np.full(4, 0.25)
tiles = (TileReading(left=i, top=0, right=i + 4, bottom=4, probabilities=p) for i in range(100_000))
assert write_features(Path(sys.argv[1]), tile_features(tiles, stamp)) == 100_000
# not ru_maxrss, which counts what the process that started this one held
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_hundred_thousand_tiles_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "tiles.geojson.gz"
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) * 1024 < 300e6
    assert len(read_objects(path)) == 100_000
