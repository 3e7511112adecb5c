"""The page: one HTML file that needs nothing else, with tables and figures as files beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from disc.data.pixels.picture_legend import choose_bar_um, name_length
from disc.evaluate.agreement import KINDS
from disc.files import write_bytes
from disc.report import sentences
from disc.report.cards.model_card import NAME as MODEL_CARD
from disc.report.cards.model_card import write_model_card
from disc.report.figures import as_png, as_svg, draw_figures
from disc.report.graders.attention import attention_figures
from disc.report.graders.sentences import grading_sentences
from disc.report.graders.tables import dice_grid, slide_grids
from disc.report.limitations import limitations
from disc.report.numbers import Numbers, measure
from disc.report.pictures import Cell, as_uri, pixel_cells, sheet_cells
from disc.report.run_summary import PARTS, RunSummary
from disc.report.sheet_figure import draw_sheet
from disc.report.tables import (
    Grid,
    agreement_grid,
    audit_grid,
    quality_grid,
    recall_grid,
    stage_grid,
    standard_deviation_grid,
)
from disc.report.templates import legend, open_template

CHARTS = ("agreement", "auroc", "dice", "attention")
"""How the names of the figures of a section begin."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure inside the page."""

    name: str
    source: str
    file: str
    """Its PNG beside the page."""


@dataclass(frozen=True, kw_only=True)
class ScaleBar:
    """A scale bar over a tile."""

    text: str
    percent: float
    """Of the tile's width."""


def write_report(folder: Path, summary: RunSummary) -> Path:
    """Write `index.html`, `model_card.md`, and every figure (PNG) and table (CSV) beside them.

    The same summary gives the same bytes.

    Args:
        folder: where to; files of the same names are replaced.
        summary: what the run found.

    Returns:
        Path of the page.
    """
    numbers = measure(summary)
    figures = {**draw_figures(numbers), **attention_figures(summary.attention)}
    sheets = {
        "sheet": sheet_cells(summary.sheet, summary.palette),
        "pixels": pixel_cells(summary.pixel_pictures, summary.palette),
    }
    drawn = {
        name: draw_sheet(lines, summary.um_per_px, summary.palette)
        for name, lines in sheets.items()
        if lines
    }
    for name, figure in {**figures, **drawn}.items():
        write_bytes(folder / f"{name}.png", as_png(figure))
    for name, table in numbers.tables().items():
        write_bytes(folder / f"{name}.csv", table.to_csv(index=False).encode())
    page = folder / "index.html"
    files = [f"{name}.csv" for name in numbers.tables()]
    files += [*(f"{name}.png" for name in {**figures, **drawn}), MODEL_CARD]
    write_bytes(page, render(summary, numbers, figures, sheets, files).encode())
    write_model_card(folder, summary, numbers)
    return page


def render(
    summary: RunSummary,
    numbers: Numbers,
    figures: dict[str, Figure],
    sheets: dict[str, list[list[Cell]]],
    files: Sequence[str],
) -> str:
    """The page's HTML.

    Args:
        summary: what the run found.
        numbers: computed from it.
        figures: drawn from the numbers.
        sheets: cells of the pictures, by sheet.
        files: names of files beside the page.
    """
    return open_template("page.html").render(
        summary=summary,
        headline=[*sentences.headline(numbers), *grading_sentences(numbers)],
        limitations=limitations(summary, numbers),
        legend=legend(summary.palette),
        bar=_scale_bar(summary),
        sheets=sheets,
        files=files,
        charts={part: list_charts(figures, part) for part in CHARTS},
        grids=_grids(summary, numbers),
        lacking={part: _why(summary.notes, part) for part in PARTS},
        marked=sentences.MARKED,
        mark=sentences.MARK,
        config=json.dumps(summary.config, indent=2, default=str),
    )


def _scale_bar(summary: RunSummary) -> ScaleBar | None:
    if summary.um_per_px is None or not summary.sheet:
        return None
    width_um = summary.um_per_px * summary.sheet[0].mask.shape[1]
    length_um = choose_bar_um(width_um)
    return ScaleBar(text=name_length(length_um), percent=round(100 * length_um / width_um, 2))


def list_charts(figures: dict[str, Figure], part: str) -> list[Chart]:
    """Charts as a page holds them: those figures whose names start alike."""
    return [
        Chart(
            name=name.replace("_", " "),
            source=as_uri(as_svg(figure), "image/svg+xml"),
            file=f"{name}.png",
        )
        for name, figure in figures.items()
        if name.startswith(part)
    ]


def _grids(summary: RunSummary, numbers: Numbers) -> dict[str, list[Grid]]:
    """The page's tables by section; a section without numbers has none."""
    grids: dict[str, list[Grid]] = {
        "standard_deviations": [],
        "agreement": [],
        "quality": [],
        "audit": [],
        "recalls": [],
        "auroc": [],
        "dice": [],
    }
    if not numbers.standard_deviations.empty:
        grids["standard_deviations"] = [standard_deviation_grid(numbers.standard_deviations)]
    if not numbers.agreement.empty:
        kinds = [kind for kind in KINDS if (numbers.agreement["kind"] == kind).any()]
        grids["agreement"] = [agreement_grid(numbers, kind) for kind in kinds]
        grids["recalls"] = [recall_grid(numbers.recalls, kind) for kind in kinds]
    if not numbers.quality.empty:
        kinds = [kind for kind in KINDS if (numbers.quality["kind"] == kind).any()]
        grids["quality"] = [quality_grid(numbers, kind) for kind in kinds]
    if not numbers.audit.empty:
        grids["audit"] = [audit_grid(numbers)]
    grids["auroc"] = slide_grids(numbers)
    if not numbers.dice.empty:
        test = numbers.dice[numbers.dice["split"] == "test"]
        keys = ["grader", "truth_kind", "data_set"]
        grids["dice"] = [dice_grid(numbers, *key) for key, _ in test.groupby(keys)]
    grids["stages"] = [stage_grid(summary.stages)]
    return grids


def _why(notes: Sequence[str], part: str) -> str:
    """What the run says about a part that is lacking."""
    said = [note.removeprefix(f"{part}:").strip() for note in notes if note.startswith(part)]
    reasons = [text for text in said if text.startswith("not possible")]
    return "; ".join(reasons) or "not possible: this run has no numbers for it"
