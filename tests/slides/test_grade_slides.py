"""`disc grade` from end to end, on a run of untrained graders."""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

import disc
from disc import cli
from disc.api import Model
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.labels import IGNORE, PALETTES, Label
from disc.slides.grade_slide import _show_tiles
from disc.slides.judging.calibrate import calibrate
from disc.slides.judging.record import read_record
from disc.slides.reading.canvas import Canvas
from disc.slides.reading.map_grid import Box
from disc.slides.writing.page import tell_limits
from disc.slides.writing.pictures import UNREADABLE, look_at
from tests.data.scans import UM, draw_mask, generate, save_pyramid
from tests.slides.qupath_reader import read_objects

FILES = {
    *("done.json", "grade.json", "map.ome.tiff", "overlay.png", "regions.geojson"),
    *("report.html", "thumbnail.png", "tiles.csv", "tiles.geojson.gz"),
}


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
    (graded / "failed" / "core").mkdir()  # as a command with other settings leaves it
    assert cli.main(words) == 0
    assert not (graded / "failed" / "core").exists()
    assert (graded / "core" / "grade.json").stat().st_mtime_ns == before
    said = capsys.readouterr().out
    assert "graded before" in said and f"graders: {run}\n" in said
    assert cli.main([*words[:-1], "5"]) == 1
    said = capsys.readouterr().out
    assert "other graders, settings" in said
    assert "QuPath" not in said  # the outlines that lie there are not of this command


def test_a_missing_slide_does_not_stop_the_others(graded: Path, run: Path, slide: Path) -> None:
    missing = slide.with_name("none.tiff")
    words = ["grade", str(run), str(missing), str(slide), "--out", str(graded), "--passes", "1"]
    assert cli.main(words) == 1
    reason = json.loads((graded / "failed" / "none" / "failed.json").read_text())["reason"]
    assert reason == f"{missing}: no such file; correct its path"
    shutil.rmtree(graded / "failed" / "none")
    assert cli.main(["grade", str(run), str(missing), "--out", str(graded)]) == 2


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
    for each in areas:
        level0 = each.polygon.area * (UM / 1000) ** 2
        assert each.measurements["Area mm2"] == pytest.approx(level0, rel=1e-6)
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


def test_the_page_shows_all_of_it_and_stands_alone(graded: Path) -> None:
    page, record = (graded / "core" / "report.html").read_text(), read_record(graded / "core")
    assert "research use only" in page and "simulated tissue only" in page
    assert "http://" not in page and "https://" not in page
    assert '<input id="opacity" type="range"' in page and page.count('alt="the map over it"') == 1
    for kind in ("highest probability of GG5", "most attention of the slide grader"):
        assert page.count(f'alt="{kind}"') == 4
    gg4, facts = record.shares["GG4"], record.map
    assert gg4.low is not None and gg4.high is not None and facts is not None
    assert f"<td>{gg4.fraction:.1%}<small>{gg4.low:.1%} to {gg4.high:.1%}</small></td>" in page
    after = "unknown" if facts.ece_after is None else f"{facts.ece_after:.3f}"
    assert f"{facts.ece_before:.3f} before, {after} after" in page
    assert record.regions is not None
    assert f"{record.regions.dropped} piece(s) of less than 0.01 mm²" in page


def test_the_likeliest_tiles_are_those_of_the_map(tmp_path: Path) -> None:
    canvas = Canvas.create(tmp_path / "map", 8, 4)
    probabilities = np.zeros((4, 4, 8), np.float32)
    probabilities[Label.GG4, :, :4], probabilities[Label.GG3, :, :4] = 0.8, 0.2
    probabilities[Label.GG5, :, 4:] = 1
    tissue = np.ones((4, 8), bool)
    tissue[:, 6:] = False
    canvas.write(canvas.whole(), probabilities * tissue, tissue)
    windows = [Box(0, 0, 4, 4), Box(6, 2, 4, 4), Box(2, -2, 4, 4)]  # two reach beyond the map
    cells = SimpleNamespace(read=lambda box, _: np.full((4, 4, 3), box.x, np.uint8))
    grid = SimpleNamespace(edges=(np.arange(9) * 10, np.arange(5) * 10))
    reading = SimpleNamespace(canvas=canvas, windows=windows, cells=cells, grid=grid)
    shown = list(_show_tiles(SimpleNamespace(slide=()), reading))  # type: ignore[arg-type]
    gg4 = [(int(one.pixels[0, 0, 0]), round(one.value, 2)) for one in shown if "GG4" in one.heading]
    assert gg4 == [(0, 0.8), (2, 0.4), (6, 0.0)] and shown[1].caption == "10% at 20, 0 px"


def test_pictures_have_a_scale_bar_and_a_legend(graded: Path, slide: Path) -> None:
    overlay, plain = (
        np.asarray(Image.open(graded / "core" / f"{name}.png")) for name in ("overlay", "thumbnail")
    )
    bare, _ = look_at(Scan(slide))
    assert plain.shape == bare.shape and (plain != bare).any()
    below = overlay[len(plain) :].reshape(-1, 3)
    for colour in PALETTES["safe"].values():
        assert (below == colour).all(1).any()


def test_what_cannot_be_read_is_an_outline_of_its_own(
    model: Model, slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of the core's left rim, .3 % of it: a square of 32 px of the map."""

    class Torn(Scan):
        def read(self, x, y, size, scale):  # type: ignore[no-untyped-def]
            if x <= 128 < x + size[0] * scale and y <= 1152 < y + size[1] * scale:
                raise BadInput(f"{self.path}: damaged")
            return super().read(x, y, size, scale)

    assert model.um_per_px == 4.0
    monkeypatch.setattr("disc.slides.grading.Scan", Torn)
    record = model.grade(slide, tmp_path / "out", passes=1)
    assert record.map is not None
    (lost,) = (
        each
        for each in read_objects(tmp_path / "out" / "regions.geojson")
        if each.classification == "Unreadable"
    )
    assert lost.polygon.bounds == (0, 1024, 256, 1280)
    assert record.map.unreadable_mm2 == pytest.approx(0.128**2)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "0.016 mm² could not be read" in page and ">could not be read</span>" in page
    overlay = np.asarray(Image.open(tmp_path / "out" / "overlay.png"))
    assert (overlay[-60:].reshape(-1, 3) == UNREADABLE).all(1).any()


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
    model, ours = disc.load(tmp_path / "x"), disc.load(run).gradings.of_slides()
    found = model.gradings.of_slides().calibration
    alone = calibrate(replace(ours.graders, encoder=None, slide=()), ours.known)
    assert found.temperature == alone.temperature and found.far == alone.far
    assert np.allclose(found.whitening, alone.whitening, rtol=1e-5)
    record = model.grade(slide, passes=1)
    assert record.trained_on == "simulated tissue only" and not record.cross_check
    limits = " ".join(tell_limits(record))
    assert "There is no slide grader" in limits and "There is one network" in limits
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


@pytest.mark.real
def test_the_real_biopsy_is_unlike_anything_trained_on(tmp_path: Path) -> None:
    """With a trained run, `DISC_RUN=runs/demo`; an untrained one knows nothing to be far from."""
    folder = Path(os.environ["DISC_REAL_DATA"]) / "panda" / "train_images"
    model = disc.load(os.environ.get("DISC_RUN", "runs/demo"))
    for path in folder.glob("*.tiff"):
        record = model.grade(path, passes=1)
        assert "unlike-training" in {reason.code for reason in record.abstained}
        assert any("unlike anything trained on" in reason.text for reason in record.abstained)
