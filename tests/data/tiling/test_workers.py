"""Several slides at once: by several processes, with slides that fail, and at given places."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from disc import cli
from disc.data.readers.sicapv2 import read_set
from disc.data.tiling.jobs import list_jobs
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import tile_slides
from disc.data.tiling.workers import cut_slides, record_of
from disc.files import BadInput, read_json
from tests.data.scans import UM, draw_mask, generate, save_pyramid, save_slide
from tests.data.writing.test_set_writer import contents

TILE, UM_PER_PX = 32, 8.0
SIDE = int(TILE * UM_PER_PX / UM)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slides `a`, `b`, `c`, the same picture, with masks."""
    root = tmp_path_factory.mktemp("sound")
    save_slide(root, "a", step=4)
    for name in "bc":
        shutil.copy(root / "slides/a.tiff", root / f"slides/{name}.tiff")
        shutil.copy(root / "masks/a_mask.tiff", root / f"masks/{name}_mask.tiff")
    return root


@pytest.fixture
def folder(tmp_path: Path, sound: Path) -> Path:
    """The same, to be corrupted."""
    for part in ("slides", "masks"):
        shutil.copytree(sound / part, tmp_path / part)
    return tmp_path


def request_for(root: Path, **targets: object) -> TileRequest:
    given = {"mask_values": "radboud", "tile_px": TILE, "um_per_px": UM_PER_PX, "processes": 1}
    paths = {"slides": root / "slides", "masks": root / "masks", "out": root / "out"}
    return TileRequest(**{**paths, **given, **targets})


def test_two_processes_write_the_same_bytes(folder: Path) -> None:
    """Three slides are fewer than two a process, so each is cut by both."""
    alone = tile_slides(request_for(folder))
    both = tile_slides(request_for(folder, out=folder / "both", processes=2))
    assert both == alone and alone.num_slides == 3 and not alone.failures
    expected, found = contents(folder / "out"), contents(folder / "both")
    assert {**found, "request.json": b""} == {**expected, "request.json": b""}


def corrupt(folder: Path, how: str) -> None:
    """Make slide `b` unusable."""
    slide, mask = folder / "slides/b.tiff", folder / "masks/b_mask.tiff"
    if how == "link":
        shutil.move(slide, folder / "elsewhere.tiff")
        slide.symlink_to(folder / "elsewhere.tiff")
    elif how == "link of a mask":
        shutil.move(mask, folder / "elsewhere.tiff")
        mask.symlink_to(folder / "elsewhere.tiff")
    elif how == "folder":
        slide.unlink()
        slide.mkdir()
    elif how == "cut":
        slide.write_bytes(slide.read_bytes()[:5000])
    elif how == "no resolution":
        slide.unlink()
        Image.fromarray(generate(draw_mask()[::8, ::8])).save(slide.with_suffix(".png"))
    elif how == "mask of 16 bits":
        tifffile.imwrite(mask, draw_mask()[::4, ::4].astype(np.uint16), tile=(64, 64))
    elif how == "last value":
        # The mask turns bad where the slide is cut last, when tiles are written already.
        values = draw_mask()[::4, ::4].copy()
        values[-100:][values[-100:] > 0] = 9
        tifffile.imwrite(mask, values, tile=(64, 64))


FAILURES = {
    "link": "b.tiff: a symbolic link that leads out of",
    "link of a mask": "b_mask.tiff: a symbolic link that leads out of",
    "folder": "b.tiff: is a folder; expected the file of a slide",
    "cut": "b.tiff: ",
    "no resolution": "b.png: does not say how wide its pixels are; give --mpp",
    "mask of 16 bits": "b_mask.tiff: 16-bit pixels; expected 8-bit",
    "last value": "found value 9 in",
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_slide_that_fails_is_named_and_the_rest_is_a_set(folder: Path, how: str) -> None:
    sound_mask = (folder / "masks/a_mask.tiff").read_bytes()
    corrupt(folder, how)
    report = tile_slides(request_for(folder))
    assert list(report.failures) == ["b"] and FAILURES[how] in report.failures["b"]
    assert report.lines()[-2].startswith("failed: 1 slide(s)")
    assert report.lines()[-1] == f"  b: {report.failures['b']}"
    tiles = read_set(folder / "out", TILE)
    assert report.num_slides == 2 and set(tiles.slides) == {"a", "c"}
    assert {path.stem for path in (folder / "out/patches").iterdir()} == {"a", "c"}
    assert not list((folder / "out").rglob("b_*")) and not list((folder / "out").rglob("b.jpg"))
    if how == "last value":
        (folder / "masks/b_mask.tiff").write_bytes(sound_mask)
        assert tile_slides(request_for(folder)).num_slides == 3, "the same command tries again"


def test_a_slide_of_an_unknown_provider_fails_alone(folder: Path) -> None:
    table = folder / "train.csv"
    rows = [("a", "radboud", "4+3"), ("b", "elsewhere", "4+3"), ("c", "radboud", "3+3")]
    columns = ["image_id", "data_provider", "gleason_score"]
    pd.DataFrame(rows, columns=columns).to_csv(table, index=False)
    request = request_for(folder, mask_values="panda", labels=table)
    report = tile_slides(request)
    assert list(report.failures) == ["b"] and report.num_slides == 2
    assert "slide b: data_provider is elsewhere" in report.failures["b"]
    table.write_text(table.read_text().replace("elsewhere", "radboud"))
    assert not tile_slides(request).failures


def test_the_command_tells_by_its_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--mask-values", "radboud", "--tile-px", "32", "--um-per-px", "8"]
    words = ["tile", "--slides", str(folder / "slides"), "--processes", "1", *options]
    words += ["--masks", str(folder / "masks"), "--out"]
    corrupt(folder, "cut")
    assert cli.main([*words, str(folder / "out")]) == 1
    shown = capsys.readouterr()
    assert "failed: 1 slide(s)" in shown.out and "b.tiff" in shown.out and not shown.err
    for name in "ac":
        (folder / f"slides/{name}.tiff").write_bytes(b"")
    assert cli.main([*words, str(folder / "other")]) == 2
    shown = capsys.readouterr()
    assert "none of 3 slides can be tiled; the first: " in shown.err
    assert len(shown.err.splitlines()) == 1
    assert cli.main(["tile", "--slides", str(folder / "nowhere"), "--out", "x"]) == 2


def test_two_slides_of_one_name(folder: Path) -> None:
    shutil.copy(folder / "slides/a.tiff", folder / "slides/a.tif")
    report = tile_slides(request_for(folder, processes=2))
    assert list(report.failures) == ["a (1)", "a (2)"] and report.num_slides == 2
    for slide in (folder / "slides/b.tiff", folder / "slides/c.tiff"):
        slide.unlink()
    with pytest.raises(BadInput, match=r"none of 2 slides .*a\.tif': would be called a like"):
        tile_slides(request_for(folder, out=folder / "second"))


def save_places(path: Path, xy: np.ndarray, **attributes: object) -> None:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("coords", data=xy).attrs.update(attributes)


def test_places_of_other_programs_are_cut_exactly(folder: Path) -> None:
    """CLAM's for `a`, TRIDENT's for `b`; an odd grid, places twice, one that reaches beyond."""
    side = 128
    xy = np.array([[131, 201], [131, 265], [130, 400], [131, 201], [300, 800], [57, 513]])
    clam = {"patch_size": side // 4, "patch_level": 1, "downsample": (4.0, 4.0)}
    save_places(folder / "places/a.h5", xy, **clam)
    save_places(folder / "places/b_patches.h5", xy[:2], patch_size_level0=side, patch_size=32)
    (folder / "slides/c.tiff").unlink()
    request = request_for(folder, coordinates=folder / "places", um_per_px=side * UM * 4 / TILE)
    report = tile_slides(request)
    tiles = read_set(folder / "out", TILE)
    places = {(tile.x, tile.y) for tile in tiles.tiles if tile.slide_id == "a"}
    assert places == {tuple(place) for place in xy.tolist()}
    assert len(tiles.bag("b")) == 2 and not report.failures
    picture = generate(draw_mask()[::4, ::4]).astype(float)
    for number in tiles.bag("a"):
        tile = tiles.tiles[number]
        shown = picture[tile.y : tile.y + side, tile.x : tile.x + side]
        if shown.shape[:2] == (side, side):
            small = shown.reshape(TILE, 4, TILE, 4, 3).mean((1, 3))
            assert np.abs(tiles.image(number) - small).mean() < 8
        else:
            inner = (picture.shape[0] - tile.y) // 4
            assert (tiles.image(number)[inner + 1 :] > 240).all()
            assert (tiles.mask(number)[inner + 1 :] == 255).all()
    ours = folder / "out/patches"
    again = tile_slides(replace(request, out=folder / "again", coordinates=ours))
    assert again.labels == report.labels, "what was written is read back as the same places"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"um_per_px": 4.0}, r"a\.h5: squares of 128 px, in tiles of 32 px, have 8 µm per pixel"),
        ({"slides": "c"}, "no coordinates of any slide; expected names like c.h5 or c_patches.h5"),
        ({"coordinates": "nowhere"}, "nowhere: no such folder; correct --coordinates"),
        ({"far": True}, r"a\.h5: places up to \[5000, 5000\] lie outside of"),
    ],
)
def test_places_that_do_not_fit(folder: Path, change: dict[str, object], message: str) -> None:
    xy = np.array([[0, 0], [5000, 5000]]) if change.pop("far", False) else np.zeros((1, 2), int)
    save_places(folder / "places/a.h5", xy, patch_size_level0=128)
    slides = folder / "slides" / f"{change.pop('slides', 'a')}.tiff"
    places = folder / str(change.pop("coordinates", "places"))
    request = request_for(folder, slides=slides, coordinates=places, **change)
    with pytest.raises((BadInput, FileNotFoundError), match=message):
        tile_slides(request)


def test_a_slide_without_places_fails_alone(folder: Path) -> None:
    save_places(folder / "places/a.h5", np.array([[100, 300]]), patch_size_level0=128)
    report = tile_slides(request_for(folder, coordinates=folder / "places"))
    assert list(report.failures) == ["b", "c"]
    assert "has neither b.h5 nor b_patches.h5" in report.failures["b"]


class Bomb(type(Path())):  # type: ignore[misc]
    """A path that ends the process which is given it, as a crash in a library would."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (11,)


def test_a_crashed_process_takes_only_its_slide_with_it(folder: Path) -> None:
    request = request_for(folder, processes=2)
    jobs = [
        replace(job, path=Bomb(job.path)) if job.path.stem == "b" else job
        for job in list_jobs(request).jobs
    ]
    cut_slides(jobs, request, shown=False)
    records = {job.path.stem: read_json(record_of(request, job)) for job in jobs}
    assert "b.tiff: the program that reads it crashed" in records["b"]["failed"]
    assert records["a"]["tiles"] and len(records["a"]["tiles"]) == len(records["c"]["tiles"])
    assert not list((folder / "out").rglob("b_*"))


def test_a_table_of_file_names_scores_slides_and_one_of_others_is_refused(folder: Path) -> None:
    table = folder / "labels.csv"
    table.write_text("slide_id;patient_id;isup_grade\na.tiff;p1;2\nb.svs;p1 ;2\nc.tiff;p2;2\n")
    tile_slides(request_for(folder, labels=table))
    slides = read_set(folder / "out", TILE).slides
    assert [slides[name].patient_id for name in "abc"] == ["p1", "p1", "p2"]
    assert {(slide.primary, slide.secondary) for slide in slides.values()} == {(3, 4)}
    table.write_text("slide_id,isup_grade\nother,2\n")
    with pytest.raises(BadInput, match="no row is about any file: rows 'other'; files 'a', 'b'"):
        tile_slides(request_for(folder, labels=table, out=folder / "second"))


def drop_resolution(path: Path) -> None:
    """The same pixels in a file that does not say how wide they are."""
    save_pyramid(path, tifffile.imread(path), um=None)


def scales(out: Path) -> dict[str, int]:
    """Level-0 pixels between a slide's rows of tiles."""
    tiles = read_set(out, TILE).tiles
    rows = {slide: sorted({t.y for t in tiles if t.slide_id == slide}) for slide in "abc"}
    return {slide: ys[1] - ys[0] for slide, ys in rows.items() if ys}


def test_the_resolution_of_a_file_wins_over_the_one_that_is_given(folder: Path) -> None:
    """Slides are 2 µm per pixel; `b` does not say so. It was cut at half the scale, all were."""
    drop_resolution(folder / "slides/b.tiff")
    report = tile_slides(request_for(folder, mpp=1.0))
    assert scales(folder / "out") == {"a": 64, "b": 128, "c": 64}
    assert list(report.without_resolution) == ["b"]
    assert "without resolution: 1 slide(s), as given, first b" in report.lines()


def test_a_resolution_given_later_cuts_the_failed_slide_alone(folder: Path) -> None:
    drop_resolution(folder / "slides/b.tiff")
    assert list(tile_slides(request_for(folder)).failures) == ["b"]
    stamp = {path: path.stat().st_mtime_ns for path in (folder / "out/images").iterdir()}
    assert not tile_slides(request_for(folder, mpp=1.0)).failures
    assert all(path.stat().st_mtime_ns == stamp[path] for path in stamp)
    assert scales(folder / "out")["b"] == 128
    tile_slides(request_for(folder, mpp=2.0))
    assert scales(folder / "out")["b"] == 64, "another resolution cuts that slide again"
    assert all(path.stat().st_mtime_ns == stamp[path] for path in stamp)
    places = {tile.y for tile in read_set(folder / "out", TILE).tiles if tile.slide_id == "b"}
    assert places == {tile.y for tile in read_set(folder / "out", TILE).tiles}


def test_resolutions_slide_by_slide_in_the_table(folder: Path) -> None:
    drop_resolution(folder / "slides/b.tiff")
    table = folder / "labels.csv"
    table.write_text("wsi,mpp\na.tiff,\nb.tiff,2\nc.tiff,1\n")
    report = tile_slides(request_for(folder, labels=table, mpp=7.0))
    assert scales(folder / "out") == {"a": 64, "b": 64}
    assert "c.tiff: says 2 µm per pixel, and the table of --labels mpp 1" in report.failures["c"]
