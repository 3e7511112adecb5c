"""What tests of grading share: a run of untrained graders."""

from pathlib import Path

import pytest

import disc
from disc.api import Model
from tests.data.scans import draw_mask, generate, save_pyramid
from tests.slides.graded_run import write_graded_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graded_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="session")
def model(run: Path) -> Model:
    return disc.load(run)


@pytest.fixture(scope="session")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "core.tiff"
    save_pyramid(path, generate(draw_mask()))
    return path
