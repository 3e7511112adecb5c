"""What tests of the benchmarks share."""

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def load(monkeypatch):
    """Modules of the benchmarks, which import each other as scripts do."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module
