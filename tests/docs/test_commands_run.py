"""Commands of the documentation, run page by page where small simulated sets and a run lie.

What is not run is listed with the reason; a new command is run, or is put there.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from disc import cli
from disc.model.autoencoder import Autoencoder
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.pipeline.config_file import read_config
from disc.pipeline.context import Context
from disc.train.latents.encoding import encode_tiles
from tests.data.scans import save_slide
from tests.docs.test_snippets import COMMAND, blocks, words_of
from tests.slides.graded_run import NUM_FEATURES, write_graded_run

NOT_RUN = {
    r"^run (?!.*--(dry-run|help))": "trains: tests/pipeline do, in fewer steps",
    r"^study": "trains: tests/study do",
    r"^run .*--dry-run": "measures networks on a whole set: tests/pipeline/dry_run",
    r"^studio": "serves until it is stopped: tests/studio",
    r"model\.ckpt": "reads a public file: tests/command_line/test_import_autoencoder.py",
    r"^(synthesize|bank) .*runs/": "draws thousands of tiles: tests/command_line draw some",
    r"^audit": "tests/audit and tests/command_line/test_audit.py",
    r"^(convert|select) .*(trident|gleason2019|tma|aggc|MIL|panda)": "layouts of others",
    r"^check .*(runs/|cores)": "likewise; tests/data read small ones",
    r"^grade (biopsies|panda)/": "takes minutes a slide: tests/slides",
}
MADE = {"sampling": ("masks", "drawn"), "weights": ("slides", "biopsies")}
"""Folders that a page makes itself."""
pytestmark = pytest.mark.slow


def commands_of(page: Path) -> Iterator[str]:
    for block in blocks("sh"):
        if block.page == page:
            for line in block.text.replace("\\\n", " ").splitlines():
                yield from COMMAND.findall(line)


def is_run(command: str) -> bool:
    return not any(re.search(pattern, command) for pattern in NOT_RUN)


PAGES = sorted({block.page for block in blocks("sh")})
RUN = [page for page in PAGES if any(map(is_run, commands_of(page)))]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages speak of."""
    folder = tmp_path_factory.mktemp("world")
    for name in ("biopsies", "drawn", "features", "tile-masks"):
        (folder / name).mkdir()
    draw_sets(folder)
    save_slide(folder, "a")
    pd.DataFrame({"slide_id": ["a"], "gleason_score": ["3+4"]}).to_csv(folder / "scores.csv")
    for name in ("biopsy.tiff", "other.svs", "biopsies/a.tiff"):
        shutil.copy(folder / "slides" / "a.tiff", folder / name)
    (folder / "drawn" / "a.geojson").write_text(json.dumps(draw_area()))
    write_run(folder / "runs" / "demo")
    for name in ("slide1", "slide2"):
        with h5py.File(folder / "features" / f"{name}.h5", "w") as file:
            rng = np.random.default_rng(0)
            file["features"] = rng.normal(size=(20, NUM_FEATURES)).astype(np.float32)
            file["coords"] = np.arange(40).reshape(20, 2) * 256
    shutil.copy(next((folder / "SICAPv2" / "masks").iterdir()), folder / "tile-masks")
    return folder


def draw_sets(folder: Path) -> None:
    """SICAPv2, of two sides that are one here, LAPC and PANDA."""
    sets = {"SICAPv2": ("sicapv2", 64), "lapc": ("lapc", 960), "panda": ("panda", None)}
    for name, (kind, side) in sets.items():
        slides = (1, 1, 1, 1) if kind == "sicapv2" else (0, 1, 1, 0)
        out, core_um = folder / name, (400, 500)
        draw_set(PhantomRequest(out=out, kind=kind, slides=slides, tile_px=side, core_um=core_um))
    shutil.copytree(folder / "SICAPv2", folder / "SICAPv2-64px")


def write_run(run: Path) -> None:
    """Untrained, with graders, encoded training tiles, and its autoencoder in both places."""
    write_graded_run(run)
    autoencoder = Autoencoder.load(run / "latents" / "autoencoder")
    training = Context(read_config(run / "config.json"), run).split.train
    encode_tiles(autoencoder, training, run / "latents", 1)
    for place in ("latents/autoencoder", "autoencoder"):
        autoencoder.save(run / place)


def draw_area() -> dict:
    """A square that QuPath says is tumour."""
    ring = [[600, 1000], [1000, 1000], [1000, 1800], [600, 1800], [600, 1000]]
    kind = {"classification": {"name": "Tumor", "color": [200, 0, 0]}}
    area = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": area, "properties": kind}
    return {"type": "FeatureCollection", "features": [feature]}


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_commands_run(
    page: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    for name in MADE.get(page.stem, ()):
        shutil.rmtree(tmp_path / name)
    if page.stem == "sampling":
        (tmp_path / "tile-masks").rename(tmp_path / "masks")
    monkeypatch.chdir(tmp_path)
    for command in filter(is_run, commands_of(page)):
        try:
            code = cli.main(words_of(command, tmp_path / "none"))
        except SystemExit as stop:
            code = int(stop.code or 0)
        assert code == 0, command


def test_every_reason_is_of_some_command() -> None:
    every = [command for page in PAGES for command in commands_of(page)]
    for pattern in NOT_RUN:
        assert any(re.search(pattern, command) for command in every), pattern
    assert sum(map(is_run, every)) > 30
