"""Maps of slides: blocks, places of windows, copies, and what cannot be read."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from disc import cli
from disc.api import Model
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.labels import IGNORE, Label
from disc.progress import Bar
from disc.slides.reading.canvas import Canvas, build_pyramid
from disc.slides.reading.cells import Cells
from disc.slides.reading.map_grid import Box, lay_grid
from disc.slides.reading.overview import read_overview
from disc.slides.reading.read_slide import read_slide


def test_coarser_copies(tmp_path: Path) -> None:
    canvas = Canvas.create(tmp_path / "map", 1300, 700)
    probabilities = np.zeros((4, 700, 1300), np.float32)
    probabilities[1], tissue = 1, np.zeros((700, 1300), bool)
    tissue[:, :651] = True
    canvas.write(canvas.whole(), probabilities, tissue)
    levels = build_pyramid(canvas)
    assert [(level.width, level.height) for level in levels] == [
        (1300, 700),
        (650, 350),
        (325, 175),
    ]
    part = levels[1].read(levels[1].whole())
    assert (part[1, :, :325] == 255).all() and (part[-1, :, :325] == Label.GG3).all()
    assert (part[-1, :, 326:] == IGNORE).all()


@pytest.mark.parametrize("hole", [(100.0, 100.0), (130.0, 134.0)])
def test_what_cannot_be_read_is_marked_until_it_is_too_much(
    slide: Path, hole: tuple[float, float]
) -> None:
    """The second hole lies in what is read around three other cells, which are not lost."""

    class Torn(Scan):
        def read(self, x, y, size, scale):  # type: ignore[no-untyped-def]
            if x <= hole[0] < x + size[0] * scale and y <= hole[1] < y + size[1] * scale:
                raise BadInput(f"{self.path}: damaged")
            return super().read(x, y, size, scale)

    scan = Torn(slide)
    grid = lay_grid(scan, 1.0)
    whole = Box(0, 0, grid.width, grid.height)
    cells = Cells(scan, grid, np.ones((8, 8), bool))
    image = cells.read(whole, [whole])
    (lost,) = cells.unreadable
    x, y = (place / grid.scale for place in hole)
    assert lost.width == 32 and lost.x <= x < lost.x + 32 and lost.y <= y < lost.y + 32
    assert (image[lost.slices] == 255).all()
    whole_slide = Cells(Scan(slide), grid, np.ones((8, 8), bool)).read(whole, [whole])
    kept = np.ones(image.shape[:2], bool)
    kept[lost.slices] = False
    differ = np.abs(image[kept].astype(int) - whole_slide[kept])
    # cells at the hole were read without their neighbours' pixels
    assert (differ > 0).mean() < 0.001 and differ.max() < 64
    little = np.zeros((8, 8), bool)
    little[0, 0] = True
    with pytest.raises(BadInput, match="more than 1% of its tissue"):
        Cells(Torn(slide), grid, little).read(whole, [whole])


def break_tiles(path: Path, level: int, tiles: slice) -> None:
    with tifffile.TiffFile(path) as file:
        places = file.pages[level].dataoffsets[tiles]
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(b"\xff" * 64)


def test_what_is_damaged_in_one_level_is_seen_in_another(slide: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tiff"
    shutil.copy(slide, damaged)
    break_tiles(damaged, 1, slice(1))
    with pytest.raises(BadInput):
        Scan(damaged).read_whole(8.0)
    whole = Scan(slide).read_whole(8.0).astype(int)
    picture, unknown = read_overview(Scan(damaged), 8.0)
    assert not unknown.any() and np.abs(picture - whole).mean() < 2
    break_tiles(damaged, 0, slice(None))
    picture, unknown = read_overview(Scan(damaged), 8.0)
    # a tile of 256 px, four times as coarse as level 0, of .5 µm
    assert unknown[:64, :64].all() and unknown.sum() == 64 * 64
    assert np.abs(picture - whole)[~unknown].mean() < 2
    break_tiles(damaged, 1, slice(None))
    with pytest.raises(BadInput):
        read_overview(Scan(damaged), 8.0)


class Lost:
    """A slide of 1,500 x 1,000 px in the overview, of which this level cannot be read."""

    def __init__(self) -> None:
        self.num = 0

    def size_at(self, um_per_px: float) -> tuple[tuple[int, int], float]:
        return (1500, 1000), 32.0

    def read(self, x: float, y: float, size: tuple[int, int], scale: float) -> np.ndarray:
        self.num += 1
        if scale == 32:
            raise BadInput("damaged")
        return np.full((*size[::-1], 3), 7, np.uint8)

    def reopen(self) -> None:
        """As a scan does."""

    def read_coarsest(self) -> np.ndarray:
        return np.zeros((10, 15, 3), np.uint8)


def test_a_level_that_is_damaged_throughout_takes_few_readings() -> None:
    scan = Lost()
    picture, unknown = read_overview(scan, 8.0)
    assert (picture == 7).all() and not unknown.any()
    assert scan.num < 60


def test_a_grid_that_is_coarser_than_the_slide_is_needed(slide: Path) -> None:
    with pytest.raises(BadInput, match="coarser"):
        lay_grid(Scan(slide), 0.3)


def test_areas_of_a_slide_that_is_a_little_coarser_are_its_own(slide: Path) -> None:
    scan = Scan(slide)
    grid = lay_grid(scan, 0.991 * scan.um_per_px)
    assert (grid.width, grid.height) == (scan.width, scan.height)
    found = grid.areas_mm2(Box(0, 0, grid.width, grid.height)).sum()
    assert found == pytest.approx(scan.width * scan.height * (scan.um_per_px / 1000) ** 2)


def test_progress_is_told_within_a_slide(
    model: Model, slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[str]()
    monkeypatch.setattr(Bar, "advance", lambda bar: told.append(bar.tell()))
    grading = model.gradings.of_slides()
    monkeypatch.setattr("disc.slides.reading.map_grid.MAX_BLOCK_PX", 2 * grading.graders.tile_px)
    read_slide(grading.graders, grading.calibration, Scan(slide), tmp_path, 1)
    assert len(told) > 1 and set(told) == {f"0 of {len(told)} blocks"}


def test_a_slide_that_is_graded_again_gives_the_same_bytes(
    run: Path, slide: Path, tmp_path: Path
) -> None:
    found = []
    for out in (tmp_path / "first", tmp_path / "second"):
        assert cli.main(["grade", str(run), str(slide), "--out", str(out), "--passes", "1"]) == 0
        found.append({path.name: path.read_bytes() for path in (out / "core").iterdir()})
    first, second = found
    assert first.keys() == second.keys() and "map.ome.tiff" in first
    # the marker says when it was, and how long it took
    assert {name for name in first if first[name] != second[name]} <= {"done.json"}
