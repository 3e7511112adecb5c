"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import disc

ROOT = Path(disc.__file__).parent
MODULES = sorted(
    ".".join(["disc", *path.relative_to(ROOT).with_suffix("").parts])
    for path in ROOT.rglob("*.py")
    if ">>>" in path.read_text()
)


def test_losses_and_metrics_have_examples() -> None:
    assert {"disc.grade.focal", "disc.grade.mixing", "disc.evaluate.auroc"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_right(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
