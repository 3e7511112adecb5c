"""One thread a test process: pytest-xdist already uses every core. No waiting for the disk."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


FOLDER = Path(__file__).parent
TOGETHER = ("report", "slides", "studio")
"""Folders of tests with fixtures that all of their files share: one process has them all."""
FIRST = (
    *("pipeline/test_smoke.py", "report", "studio", "slides", "command_line/test_audit.py"),
    *("sample/test_plans.py", "test_shipped.py", "command_line/test_synthesize.py"),
    *("docs/test_snippets.py", "pipeline/stages/test_denoiser.py", "damage/test_damage.py"),
    *("pipeline/stages/test_training_hooks.py", "pipeline/weights/test_card.py"),
    *("train/test_speed.py", "model/test_foreign.py", "evaluate/test_verdicts.py"),
)
"""What takes longest: begun at the end, one of them would leave a core idle."""


# A million objects of modules are there for good: not to be looked through while tests run.
gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A group, which one process does, is a file or a folder; the longest come first."""
    order = {name: place for place, name in enumerate(FIRST)}
    groups = {item: group_of(item.path.relative_to(FOLDER)) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: order.get(groups[item], len(order)))


def group_of(file: Path) -> str:
    return file.parts[0] if file.parts[0] in TOGETHER else file.as_posix()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def unsynced() -> Iterator[None]:
    """Files are written as ever, and not waited for until they would outlast a power cut.

    Thousands are, and a disk takes milliseconds for each. Processes that tests start do wait.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
