"""The page: one HTML file that needs nothing else, with tables and figures as files beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from disc.evaluate.agreement import KINDS
from disc.files import write_bytes
from disc.report import sentences as words
from disc.report.figures import as_png, as_svg, draw_figures
from disc.report.numbers import Numbers, measure
from disc.report.pictures import as_uri, draw_sheet, pixel_cells, sheet_cells
from disc.report.run_summary import AGREEMENT, PIXEL_GRADING, SLIDE_GRADING, RunSummary
from disc.report.tables import (
    Grid,
    agreement_grid,
    dice_grid,
    gain_grid,
    recall_grid,
    stage_grid,
    standard_deviation_grid,
)
from disc.report.templates import legend, open_template


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure inside the page."""

    name: str
    source: str


def write_report(folder: Path, summary: RunSummary) -> Path:
    """Write `index.html`, and every figure (PNG) and table (CSV) beside it.

    The same story gives the same bytes.

    Args:
        folder: where to; files of the same names are replaced.
        summary: what the run found.

    Returns:
        Path of the page.
    """
    numbers = measure(summary)
    figures = draw_figures(numbers)
    sheets = {"sheet": sheet_cells(summary.sheet), "pixels": pixel_cells(summary.pixel_pictures)}
    drawn = {name: draw_sheet(lines) for name, lines in sheets.items() if lines}
    for name, figure in {**figures, **drawn}.items():
        write_bytes(folder / f"{name}.png", as_png(figure))
    for name, table in numbers.tables().items():
        write_bytes(folder / f"{name}.csv", table.to_csv(index=False).encode())
    page = folder / "index.html"
    write_bytes(page, render(summary, numbers, figures, sheets).encode())
    return page


def render(
    summary: RunSummary, numbers: Numbers, figures: dict[str, Figure], sheets: dict[str, Any]
) -> str:
    """The page's HTML."""
    return open_template("page.html").render(
        summary=summary,
        headline=words.headline(numbers),
        cautions=words.cautions(summary, numbers),
        legend=legend(),
        sheets=sheets,
        charts={part: _charts(figures, part) for part in ("agreement", "auroc", "dice")},
        grids=_grids(summary, numbers),
        lacking={
            part: _why(summary.notes, part) for part in (AGREEMENT, SLIDE_GRADING, PIXEL_GRADING)
        },
        config=json.dumps(summary.config, indent=2, default=str),
    )


def _charts(figures: dict[str, Figure], part: str) -> list[Chart]:
    return [
        Chart(name=name.replace("_", " "), source=as_uri(as_svg(figure), "image/svg+xml"))
        for name, figure in figures.items()
        if name.startswith(part)
    ]


def _grids(summary: RunSummary, numbers: Numbers) -> dict[str, list[Grid]]:
    """The page's tables by section; a section without numbers has none."""
    grids: dict[str, list[Grid]] = {"spreads": [], "agreement": [], "auroc": [], "dice": []}
    if not numbers.standard_deviations.empty:
        grids["spreads"] = [standard_deviation_grid(numbers.standard_deviations)]
    if not numbers.agreement.empty:
        grids["agreement"] = [agreement_grid(numbers, kind) for kind in KINDS[::-1]]
        grids["agreement"] += [recall_grid(numbers.recalls, kind) for kind in KINDS[::-1]]
    gains = numbers.chosen_gains()
    if not gains.empty:
        keys = ["grader", "encoder", "data_set"]
        grids["auroc"] = [gain_grid(part, numbers.auroc, *key) for key, part in gains.groupby(keys)]
    if not numbers.dice.empty:
        test = numbers.dice[numbers.dice["split"] == "test"]
        keys = ["grader", "truth_kind", "data_set"]
        grids["dice"] = [dice_grid(numbers, *key) for key, _ in test.groupby(keys)]
    grids["stages"] = [stage_grid(summary.stages)]
    return grids


def _why(notes: Sequence[str], part: str) -> str:
    """What the run says about a part that is lacking."""
    said = [note.removeprefix(f"{part}:").strip() for note in notes if note.startswith(part)]
    reason = "; ".join(said) or "this run has no numbers for it"
    return reason if reason.startswith("not possible") else f"not possible: {reason}"
