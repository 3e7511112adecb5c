"""`disc grade` from end to end, on a run of untrained graders."""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import disc
from disc import cli
from disc.api import Model
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.labels import IGNORE, Label
from disc.slides.graders import Graders
from disc.slides.judging.calibrate import calibrate
from disc.slides.judging.record import read_record
from disc.slides.reading.canvas import Canvas, build_pyramid
from disc.slides.reading.cells import Cells
from disc.slides.reading.map_grid import Box, lay_grid
from disc.slides.reading.mapping import Plan, map_slide
from disc.slides.reading.passes import GENERATORS, list_offsets, weight_sums, window_weights
from disc.slides.request import GradeRequest
from tests.data.scans import UM, draw_mask, generate, save_pyramid
from tests.slides.qupath_reader import read_objects

FILES = {
    *("done.json", "grade.json", "map.ome.tiff", "overlay.png", "regions.geojson"),
    *("report.html", "thumbnail.png", "tiles.csv", "tiles.geojson.gz"),
}


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "core.tiff"
    save_pyramid(path, generate(draw_mask()))
    return path


@pytest.fixture(scope="module")
def graded(run: Path, slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    out = tmp_path_factory.mktemp("out")
    glass = slide.parent / "glass.tiff"
    save_pyramid(glass, np.full((512, 512, 3), 244, np.uint8))
    unknown = slide.parent / "unknown.png"
    Image.fromarray(generate(draw_mask())[::8, ::8]).save(unknown)
    words = ["grade", str(run), str(slide), str(glass), str(unknown), "--out", str(out)]
    assert cli.main([*words, "--passes", "1"]) == 1
    yield out


def test_a_graded_slide_has_all_files(graded: Path) -> None:
    assert {path.name for path in (graded / "core").iterdir()} == FILES
    record = read_record(graded / "core")
    assert record.trained_on == "simulated tissue only"
    assert sum(share.fraction for share in record.shares.values()) == pytest.approx(1, abs=1e-5)
    assert record.tissue_mm2 == pytest.approx(
        sum(share.mm2 or 0 for share in record.shares.values()), abs=1e-5
    )
    # the core is an oval of 0.6 x 1.6 mm
    assert record.tissue_mm2 == pytest.approx(np.pi * 0.3 * 0.8, rel=0.15)
    assert set(record.cross_check) == {label.name for label in Label}
    assert record.opinions.keys() == {"seed 0", "half 0", "half 1"}


def test_slides_that_fail_are_told_and_left_out(
    graded: Path, run: Path, slide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {path.name for path in graded.iterdir()} == {"core", "failed"}
    assert (graded / "failed" / "glass" / "looked_at.png").is_file()
    reason = json.loads((graded / "failed" / "unknown" / "failed.json").read_text())["reason"]
    assert "give --mpp" in reason
    words = ["grade", str(run), str(slide), "--out", str(graded), "--passes", "1"]
    before = (graded / "core" / "grade.json").stat().st_mtime_ns
    assert cli.main(words) == 0
    assert (graded / "core" / "grade.json").stat().st_mtime_ns == before
    assert "graded before" in capsys.readouterr().out
    assert cli.main([*words[:-1], "5"]) == 1
    assert "other graders, settings" in capsys.readouterr().out


def test_outlines_and_tiles_are_what_the_map_says(graded: Path, slide: Path) -> None:
    folder = graded / "core"
    record, areas = read_record(folder), read_objects(folder / "regions.geojson")
    for label in Label:
        drawn = sum(
            each.measurements["Area mm2"] for each in areas if each.classification == label.name
        )
        assert drawn <= (record.shares[label.name].mm2 or 0) + 1e-6
    drawn = sum(each.measurements["Area mm2"] for each in areas)
    assert record.regions is not None and record.tissue_mm2 is not None
    assert drawn + record.regions.dropped_mm2 == pytest.approx(record.tissue_mm2, rel=1e-4)
    level0 = sum(each.polygon.area for each in areas) * (UM / 1000) ** 2
    assert level0 == pytest.approx(drawn, rel=1e-4)
    tiles = read_objects(folder / "tiles.geojson.gz")
    with (folder / "tiles.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(tiles) == record.num_tiles > 0
    assert list(rows[0])[:8] == [
        *("minx", "miny", "width", "height", "prob_NC", "prob_GG3", "prob_GG4", "prob_GG5")
    ]
    for row, tile in zip(rows, tiles, strict=True):
        assert float(row["minx"]) == tile.polygon.bounds[0]
        assert float(row["prob_GG4"]) == pytest.approx(tile.measurements["prob_GG4"], abs=1e-4)


def test_the_map_is_a_pyramid_of_fixed_scale(graded: Path, model: Model) -> None:
    with tifffile.TiffFile(graded / "core" / "map.ome.tiff") as file:
        probabilities, labels = file.series
        assert probabilities.axes == "CYX" and probabilities.dtype == np.uint8
        assert file.ome_metadata is not None
        for label in Label:
            assert f"probability {label.name}" in file.ome_metadata
        assert f'PhysicalSizeX="{model.um_per_px}"' in file.ome_metadata
        values, read = probabilities.asarray(), labels.asarray()
        assert labels.pages[0].photometric == tifffile.PHOTOMETRIC.PALETTE
    has_tissue = read != IGNORE
    assert np.abs(values[:, has_tissue].astype(int).sum(0) - 255).max() <= 2
    assert not values[:, ~has_tissue].any()
    ordered = np.sort(values[:, has_tissue].astype(int), 0)
    is_clear = ordered[-1] - ordered[-2] > 1
    assert (values[:, has_tissue].argmax(0) == read[has_tissue])[is_clear].all()


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


def test_the_page_stands_alone(graded: Path) -> None:
    page = (graded / "core" / "report.html").read_text()
    assert "research use only" in page and "simulated tissue only" in page
    assert "http://" not in page and "https://" not in page


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
    scan, graders = Scan(slide), model.grading().graders
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


def test_where_windows_lie_hardly_changes_the_map(model: Model, slide: Path) -> None:
    graders = replace(model.grading().graders, pixel=(Striped(),), encoder=None, tile_px=96)
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
    for passes in GENERATORS:
        offsets = list_offsets(96, passes)
        sums, weights = np.zeros((192, 192)), window_weights(96)
        for right, down in offsets:
            for y in range(down - 48, 192, 48):
                for x in range(right - 48, 192, 48):
                    top, left = max(y, 0), max(x, 0)
                    part = weights[top - y :, left - x :][: 192 - top, : 192 - left]
                    sums[top : y + 96, left : x + 96] += part
        inner = slice(96, 144)
        assert np.allclose(sums[inner, inner], weight_sums(96, passes), rtol=1e-4)


def test_what_cannot_be_read_is_marked_until_it_is_too_much(
    slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Torn(Scan):
        def read(self, x, y, size, scale):  # type: ignore[no-untyped-def]
            if x <= hole[0] < x + size[0] * scale and y <= hole[1] < y + size[1] * scale:
                raise BadInput(f"{self.path}: damaged")
            return super().read(x, y, size, scale)

    monkeypatch.setattr("disc.slides.reading.cells.Scan", Torn)
    scan, hole = Torn(slide), (100.0, 100.0)
    grid = lay_grid(scan, 1.0)
    whole = Box(0, 0, grid.width, grid.height)
    cells = Cells(scan, grid, np.ones((8, 8), bool))
    image = cells.read(whole, [whole])
    (lost,) = cells.unreadable
    assert lost.width == 32 and lost.x <= 50 < lost.x + 32 and lost.y <= 50 < lost.y + 32
    assert (image[lost.slices] == 255).all()
    whole_slide = Cells(Scan(slide), grid, np.ones((8, 8), bool)).read(whole, [whole])
    kept = np.ones(image.shape[:2], bool)
    kept[lost.slices] = False
    assert (image[kept] == whole_slide[kept]).all()
    little = np.zeros((8, 8), bool)
    little[0, 0] = True
    with pytest.raises(BadInput, match="more than 1% of its tissue"):
        Cells(Torn(slide), grid, little).read(whole, [whole])


def test_a_damaged_slide_is_one_line(
    model: Model, slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.tiff"
    shutil.copy(slide, damaged)
    with tifffile.TiffFile(damaged) as file:
        places = file.pages[1].dataoffsets
    with damaged.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(b"\xff" * 64)
    report = model.grade_slides([damaged, slide], tmp_path / "out", passes=1)
    assert list(report.failures) == ["damaged"] and "\n" not in report.failures["damaged"]
    assert list(report.said) == ["core"]


def test_a_run_without_graders_is_refused(
    run: Path, slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("graders"))
    assert cli.main(["grade", str(bare), str(slide), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no pixel grader 'real'" in said
    assert not (tmp_path / "out").exists()
    assert cli.main(["grade", str(run)]) == 2


def test_exported_weights_grade_as_the_run_does(
    run: Path, slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", "--run", str(run), "--no-shapes", "--out", str(tmp_path / "x")]) == 0
    assert "it grades slides" in capsys.readouterr().out
    model, ours = disc.load(tmp_path / "x"), disc.load(run).grading()
    found = model.grading().calibration
    alone = calibrate(replace(ours.graders, encoder=None, slide=()), ours.known)
    assert found.temperature == alone.temperature and found.far == alone.far
    assert np.allclose(found.whitening, alone.whitening, rtol=1e-5)
    record = model.grade(slide, passes=1)
    assert record.trained_on == "simulated tissue only" and not record.cross_check
    assert record.map is not None and record.map.temperature == round(alone.temperature, 6)
    path = tmp_path / "x" / "grader" / "calibration.json"
    path.write_text(path.read_text().replace('"temperature": ', '"temperature": 1'))
    assert cli.main(["grade", str(tmp_path / "x"), str(slide), "--out", str(tmp_path / "o")]) == 2
    assert "not what was exported" in capsys.readouterr().err
    path.unlink()
    assert cli.main(["grade", str(tmp_path / "x"), str(slide), "--out", str(tmp_path / "o")]) == 2
    assert "without a calibrated pixel grader" in capsys.readouterr().err


def test_grading_in_python_leaves_nothing(model: Model, slide: Path) -> None:
    record = model.grade(slide, passes=1)
    assert record.source.slide == "core" and record.num_tiles > 0


def test_a_grid_that_is_coarser_than_the_slide_is_needed(slide: Path) -> None:
    with pytest.raises(BadInput, match="coarser"):
        lay_grid(Scan(slide), 0.3)


@pytest.mark.real
def test_the_real_biopsy_is_unlike_anything_trained_on(tmp_path: Path) -> None:
    """With a trained run, `DISC_RUN=runs/demo`; an untrained one knows nothing to be far from."""
    folder = Path(os.environ["DISC_REAL_DATA"]) / "panda" / "train_images"
    model = disc.load(os.environ.get("DISC_RUN", "runs/demo"))
    for path in folder.glob("*.tiff"):
        record = model.grade(path, passes=1)
        assert "unlike-training" in {reason.code for reason in record.abstained}
        assert any("unlike anything trained on" in reason.text for reason in record.abstained)
