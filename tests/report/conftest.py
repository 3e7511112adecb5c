"""One page with every figure, and no figures on the others, whose words are looked at."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from disc.report.page import write_report
from disc.report.run_summary import RunSummary
from tests.report.summaries import make_summary


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    summary = make_summary()
    return write_report(tmp_path_factory.mktemp("report"), summary), summary


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time of a page; `monkeypatch.undo()` draws them."""
    for page in ("disc.report.page", "disc.report.study.page"):
        monkeypatch.setattr(f"{page}.as_png", lambda figure: b"PNG")
    monkeypatch.setattr("disc.report.page.draw_sheet", lambda *_: Figure())
    monkeypatch.setattr("disc.report.page.as_svg", lambda figure: b"<svg/>")
