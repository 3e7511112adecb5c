"""One thread a test process: pytest-xdist already uses every core. No waiting for the disk."""

import gc
import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


# A million objects of modules are there for good: not to be looked through while tests run.
gc.disable()


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
