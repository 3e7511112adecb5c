"""The benchmark of neighbours: they run and end, and ratios are those of rounds."""

import importlib.util
import math
import os
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location(
    "neighbours", Path(__file__).parents[2] / "benchmarks" / "neighbours.py"
)
neighbours = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(neighbours)


def test_ratios_are_geometric_means_over_rounds():
    found = neighbours.mean_ratio([1.0, 4.0], [2.0, 2.0])
    assert found == pytest.approx({"ratio": 1.0, "low": 0.5, "high": 2.0})
    assert math.isclose(neighbours.mean_ratio([3.0], [3.0])["ratio"], 1)


def test_neighbours_stay_on_their_cores_and_end(monkeypatch):
    monkeypatch.setattr(neighbours, "BUSY_LOOP", "import time; time.sleep(60)")
    started, popen = [], neighbours.subprocess.Popen
    keep = lambda *words: started.append(popen(*words)) or started[-1]  # noqa: E731
    monkeypatch.setattr(neighbours.subprocess, "Popen", keep)
    core = min(os.sched_getaffinity(0))
    with neighbours.neighbours(2, [core]):
        assert [os.sched_getaffinity(child.pid) for child in started] == [{core}] * 2
        assert all(child.poll() is None for child in started)
    assert all(child.poll() is not None for child in started)
