"""One page with every figure, and no figures on the others, whose words are looked at.

What is computed from a table for one page serves the others that have the same table.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from disc.report import numbers
from disc.report.figures import as_png
from disc.report.page import write_report
from disc.report.run_summary import RunSummary
from tests.report.summaries import make_summary

STATISTICS = ("agreement_table", "label_table", "share_table", "_differences")
STATISTICS += ("slide_statistics", "pixel_statistics")


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tables that is computed once for the same tables; a copy is another."""
    kept: dict[str, tuple[object, Any]] = {}

    def find(*given: object, **how: object) -> Any:
        parts = [id(part) if isinstance(part, pd.DataFrame) else part for part in given]
        key = repr((parts, how))
        if key not in kept:
            kept[key] = given, function(*given, **how)
        return kept[key][1]

    return find


@pytest.fixture(scope="session", autouse=True)
def measured_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in STATISTICS:
            patch.setattr(numbers, name, once(getattr(numbers, name)))
        yield


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, measured_once: None) -> tuple[Path, RunSummary]:
    summary = make_summary()
    with pytest.MonkeyPatch.context() as patch:
        draw_small(patch)
        return write_report(tmp_path_factory.mktemp("report"), summary), summary


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory, measured_once: None) -> Path:
    """The page of `whole`, but for its figures."""
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        return write_report(tmp_path_factory.mktemp("told"), make_summary())


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time of a page; `monkeypatch.undo()` draws them."""
    leave_undrawn(monkeypatch)


def draw_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("disc.report.page.as_png", partial(as_png, dpi=50))


def leave_undrawn(patch: pytest.MonkeyPatch) -> None:
    for page in ("disc.report.page", "disc.report.study.page"):
        patch.setattr(f"{page}.as_png", lambda figure: b"PNG")
    patch.setattr("disc.report.page.draw_sheet", lambda *_: Figure())
    patch.setattr("disc.report.page.as_svg", lambda figure: b"<svg/>")
