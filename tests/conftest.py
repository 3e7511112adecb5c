"""One thread a test process: pytest-xdist already uses every core. No waiting for the disk."""

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


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


# A million objects of modules are there for good: not to be looked through.
gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups that take longest come first."""
    order = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(group_of(item.nodeid), len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """One process does a group: what its tests share is made once, not in every process."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def group_of(test: str) -> str:
    """A file, or one of the folders whose files share fixtures."""
    file = test.partition("::")[0].removeprefix("tests/")
    folder = file.partition("/")[0]
    return folder if folder in TOGETHER else file


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """What a file's tests leave is looked for at its end alone: to look often takes a tenth."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def unsynced() -> Iterator[None]:
    """Files are written as ever, and not waited for until they would outlast a power cut.

    Thousands are, and a disk takes milliseconds for each. Processes that tests start do wait.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
