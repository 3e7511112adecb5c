"""What tests of grading share: a run of untrained graders."""

from pathlib import Path

import pytest

import disc
from disc.api import Model
from tests.slides.graded_run import write_graded_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graded_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="session")
def model(run: Path) -> Model:
    return disc.load(run)
