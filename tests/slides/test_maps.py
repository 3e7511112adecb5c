"""Maps of slides: blocks, places of windows, copies, and what cannot be read."""

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import tifffile
import torch

from disc import cli
from disc.api import Model
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.labels import IGNORE, Label
from disc.progress import Bar
from disc.slides.graders import Graders
from disc.slides.reading.canvas import Canvas, build_pyramid
from disc.slides.reading.cells import Cells
from disc.slides.reading.map_grid import Box, lay_grid
from disc.slides.reading.mapping import Plan, map_slide
from disc.slides.reading.overview import read_overview
from disc.slides.reading.passes import GENERATORS, list_offsets, trust
from disc.slides.reading.read_slide import read_slide
from disc.slides.request import GradeRequest


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


def read_map(graders: Graders, scan: Scan, **plan: object) -> np.ndarray:
    """The map of a part of a slide, [4, h, w]."""
    grid = lay_grid(scan, graders.um_per_px)
    tissue = np.zeros((64, 32), bool)
    tissue[20:40, 8:24] = True
    found = np.zeros((4, grid.height, grid.width), np.float32)
    for part in map_slide(
        graders, Cells(scan, grid, tissue), Plan(grid=grid, tissue=tissue, **plan)
    ):
        found[(slice(None), *part.box.slices)] = part.probabilities
    return found


def test_the_map_does_not_depend_on_blocks(
    model: Model, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, graders = Scan(slide), model.gradings.of_slides().graders
    whole = read_map(graders, scan, passes=5)
    assert np.allclose(whole.sum(0)[whole.any(0)], 1, atol=1e-4)
    monkeypatch.setattr("disc.slides.reading.map_grid.MAX_BLOCK_PX", 2 * graders.tile_px)
    assert np.abs(whole - read_map(graders, scan, passes=5)).max() < 1e-4


class Striped(torch.nn.Module):
    """Reads GG3 by the place in the window alone, in stripes as wide as a network's stride."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        waves = 0.3 * torch.cos(torch.arange(images.shape[-1]) * 2 * torch.pi / 16)
        stripes = waves + waves[:, None]
        logits = torch.zeros(len(images), 4, *images.shape[-2:])
        logits[:, 1] = stripes
        return logits * self.one

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [images] * 3


def test_where_windows_lie_hardly_changes_the_map(
    model: Model, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of windows that count alike, as those without glass do."""
    monkeypatch.setattr("disc.slides.reading.mapping.trust", lambda share: np.float32(1))
    graders = replace(
        model.gradings.of_slides().graders, pixel=(Striped(),), encoder=None, tile_px=96
    )
    scan = Scan(slide)

    def share(passes: int) -> float:
        """Of pixels within .02 in probability when windows move by half of their distance."""
        still, moved = (
            read_map(graders, scan, passes=passes, shift=shift) for shift in ((0, 0), (3, 5))
        )
        return float((np.abs(still - moved).max(0) <= 0.02)[still.any(0)].mean())

    assert share(10) >= 0.99
    assert share(1) < 0.5


def test_passes_are_unlike_along_both_axes() -> None:
    assert tuple(GENERATORS) == get_args(get_type_hints(GradeRequest)["passes"])
    for side, passes in product((64, 96, 320, 512), (5, 10, 17)):
        offsets = list_offsets(side, passes)
        assert offsets[0] == (0, 0)
        for axis in zip(*offsets, strict=True):
            assert len({place % 16 for place in axis}) >= min(5, passes)
            assert max(np.diff(sorted([*axis, side // 2]))) <= side / 2 / passes + 17


class GlassShy(torch.nn.Module):
    """Reads GG4, but Non-Cancer in all of a window that has a tenth of glass."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        brightness = images.mean(dim=1)
        is_shy = (brightness > 0.9 * brightness.max()).float().mean(dim=(1, 2)) > 0.1
        logits = torch.zeros(len(images), 4, *images.shape[-2:])
        logits[is_shy, Label.NC], logits[~is_shy, Label.GG4] = 4.0, 4.0
        return logits * self.one

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [images] * 3


def test_the_rim_of_tissue_is_read_in_windows_that_hold_little_glass(
    model: Model, slide: Path
) -> None:
    graders = replace(
        model.gradings.of_slides().graders, pixel=(GlassShy(), GlassShy()), encoder=None, tile_px=32
    )
    scan = Scan(slide)
    grid = lay_grid(scan, graders.um_per_px)
    tissue = read_overview(scan, 8.0)[0].mean(axis=2) < 225
    parts = list(map_slide(graders, Cells(scan, grid, tissue), Plan(grid=grid, tissue=tissue)))
    for labels in (
        [part.probabilities.argmax(0)[part.tissue] for part in parts],
        [part.opinions[1][part.tissue] for part in parts],
    ):
        assert (np.concatenate(labels) == Label.GG4).mean() > 0.85


def test_a_pixel_is_the_weighted_mean_of_the_windows_over_it(model: Model, slide: Path) -> None:
    """Held against a sum over all windows, written out."""
    graders = replace(
        model.gradings.of_slides().graders, pixel=(Striped(),), encoder=None, tile_px=32
    )
    scan = Scan(slide)
    found = read_map(graders, scan, passes=5, temperature=2.0)
    y, x = (int(places.mean()) for places in np.nonzero(found.any(0)))
    y = int(np.flatnonzero(found[:, :, x].any(0))[2])  # where windows hold unlike much glass
    tissue = np.zeros((64, 32), bool)
    tissue[20:40, 8:24] = True
    grid, ramp = lay_grid(scan, graders.um_per_px), np.sin(np.pi * (np.arange(32) + 0.5) / 32)
    logits = Striped()(torch.zeros(1, 3, 32, 32))[0, 1].detach().numpy()
    total, counted, shares = 0.0, 0.0, set()
    for right, down in list_offsets(32, 5):
        for left, top in product(range(x - 31, x + 1), range(y - 31, y + 1)):
            if (left - right) % 16 or (top - down) % 16:
                continue
            share = grid.spread(tissue, Box(left, top, 32, 32)).mean()
            weight = ramp[y - top] * ramp[x - left] * trust(share)
            total, counted = total + weight * logits[y - top, x - left], counted + weight
            shares.add(float(share))
    assert len(shares) > 3
    odds = np.exp(total / counted / 2.0)
    assert found[Label.GG3, y, x] == pytest.approx(odds / (odds + 3), rel=1e-4)


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
