"""The page of a study, with figures (PNG) and tables (CSV) as files beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from disc.files import write_bytes
from disc.report.figures import as_png
from disc.report.graders.attention import attention_figures
from disc.report.graders.sentences import grading_sentences
from disc.report.graders.tables import dice_grid, slide_grids
from disc.report.limitations import MORE_TILES, limitations
from disc.report.numbers import Numbers, measure
from disc.report.page import list_charts
from disc.report.pictures import pixel_cells
from disc.report.run_summary import PIXEL_GRADING, SLIDE_GRADING, RunSummary
from disc.report.sentences import DATA_NAMES, ENCODER_NAMES, TRUTH_NAMES
from disc.report.sheet_figure import draw_sheet
from disc.report.study.figures import draw_calibration, draw_confusion, draw_curves, draw_roc
from disc.report.study.summary import StudySummary
from disc.report.tables import Field, Grid
from disc.report.templates import legend, open_template

SLIDES, PIXELS, ATTENTION = PARTS = ("slides", "pixels", "attention")


def write_study_page(folder: Path, summary: StudySummary) -> Path:
    """Write `index.html`, figures and tables; the same summary gives the same bytes.

    Args:
        folder: where to; files of the same names are replaced.
        summary: what the study found.
    """
    run = _as_run(summary)
    numbers = measure(run)
    figures = {**slide_figures(summary.scores, numbers), **pixel_figures(numbers)}
    figures |= attention_figures(summary.attention)
    pictures = pixel_cells(summary.pictures, summary.palette)
    drawn = {"pictures": draw_sheet(pictures, None, summary.palette)} if pictures else {}
    for name, figure in {**figures, **drawn}.items():
        write_bytes(folder / f"{name}.png", as_png(figure))
    tables = numbers.tables()
    tables |= {"probe": summary.probe, "recipe_weights": summary.recipe_weights}
    kept = {name: table for name, table in tables.items() if not table.empty}
    for name, table in kept.items():
        write_bytes(folder / f"{name}.csv", table.to_csv(index=False).encode())
    page = open_template("study.html", Path(__file__).parent).render(
        summary=summary,
        headline=grading_sentences(numbers),
        limitations=_limits(summary, run, numbers),
        legend=legend(summary.palette),
        bar=None,
        charts={part: list_charts(figures, part) for part in PARTS},
        grids=_grids(summary, numbers),
        pictures=pictures,
        files=[f"{name}.csv" for name in kept] + [f"{name}.png" for name in {**figures, **drawn}],
    )
    write_bytes(folder / "index.html", page.encode())
    return folder / "index.html"


def _limits(summary: StudySummary, run: RunSummary, numbers: Numbers) -> dict[str, list[str]]:
    """Limitations by part; that controls are missing is none here."""
    found = limitations(run, numbers)
    parts = {
        part: [text for text in found[part] if text != MORE_TILES]
        for part in (SLIDE_GRADING, PIXEL_GRADING)
    }
    return {"study": list(summary.notes), **parts}


def slide_figures(scores: pd.DataFrame, numbers: Numbers) -> dict[str, Figure]:
    """Curves, ROC and calibration of every slide grader and test set, by file name."""
    if scores.empty:
        return {}
    figures = {}
    test = numbers.auroc[numbers.auroc["split"] == "test"]
    for (grader, encoder, data_set), part in test.groupby(["grader", "encoder", "data_set"]):
        name = f"{grader}_{encoder}_{data_set}"
        title = f"{ENCODER_NAMES.get(encoder, encoder)} features, {_place(data_set)}"
        if test["grader"].nunique() > 1:
            title = f"{grader}, {title}"
        chosen = _chosen(numbers.chosen, grader=grader, encoder=encoder)
        figures[f"slides_curves_{name}"] = draw_curves(part, chosen, title, "AUROC")
        rows = _where(scores, grader=grader, encoder=encoder, data_set=data_set, split="test")
        picked = _at_chosen(rows, chosen)
        figures[f"slides_roc_{name}"] = draw_roc(picked, f"ROC, {title}")
        figures[f"slides_calibration_{name}"] = draw_calibration(picked, f"Calibration, {title}")
    return figures


def pixel_figures(numbers: Numbers) -> dict[str, Figure]:
    """Curves and confusion of every pixel grader, truth and test set, by file name."""
    if numbers.dice.empty:
        return {}
    figures = {}
    dice = numbers.dice[(numbers.dice["split"] == "test") & (numbers.dice["metric"] == "dice")]
    for (grader, truth, data_set), part in dice.groupby(["grader", "truth_kind", "data_set"]):
        name = f"{grader}_{truth}_{data_set}"
        title = f"Dice against {TRUTH_NAMES.get(truth, truth)}, {_place(data_set)}"
        chosen = _chosen(numbers.dice_chosen, grader=grader)
        figures[f"pixels_curves_{name}"] = draw_curves(part, chosen, title, "Dice")
        counts = _where(
            numbers.confusion, grader=grader, truth_kind=truth, data_set=data_set, split="test"
        )
        title = f"Confusion, {TRUTH_NAMES.get(truth, truth)}, {_place(data_set)}"
        figures[f"pixels_confusion_{name}"] = draw_confusion(_at_chosen(counts, chosen), title)
    return figures


def _grids(summary: StudySummary, numbers: Numbers) -> dict[str, list[Grid]]:
    grids: dict[str, list[Grid]] = {SLIDES: [], PIXELS: [], "probe": [], "weights": []}
    grids[SLIDES] = slide_grids(numbers)
    if not numbers.dice.empty:
        keys = ["grader", "truth_kind", "data_set"]
        test = numbers.dice[numbers.dice["split"] == "test"]
        grids[PIXELS] = [dice_grid(numbers, *key) for key, _ in test.groupby(keys)]
    if not summary.probe.empty:
        grids["probe"] = [_probe_grid(summary.probe)]
    if not summary.recipe_weights.empty:
        grids["weights"] = [_weights_grid(summary.recipe_weights)]
    return grids


def _probe_grid(probe: pd.DataFrame) -> Grid:
    rows = []
    for (encoder, variant), part in probe.groupby(["encoder", "variant"], sort=False):
        values = ", ".join(f"{value:.3f}" for value in part["auroc"])
        tiles = f"{int(part['real'].iloc[0])} real, {int(part['synthetic'].iloc[0])} synthetic"
        texts = (str(variant), ENCODER_NAMES.get(encoder, encoder), values, tiles)
        rows.append([Field(text=text) for text in texts])
    columns = ("variant", "features", "AUROC, a generator each", "tiles")
    return Grid(caption="Real or synthetic?", columns=columns, rows=rows, files=("probe.csv",))


def _weights_grid(table: pd.DataFrame) -> Grid:
    primaries = sorted(table["primary"].unique())
    rows = []
    for name, part in table.groupby("weights", sort=False):
        shares = part.set_index("primary")["share"]
        whole = part["right"].sum() / part["slides"].sum()
        texts = [str(name), *(f"{shares[p]:.1%}" for p in primaries), f"{whole:.1%}"]
        rows.append([Field(text=text) for text in texts])
    heads = ("weights", *(f"primary {p}" if p else "benign" for p in primaries), "all")
    caption = "Slides whose masks show the grades asked for"
    return Grid(caption=caption, columns=heads, rows=rows, files=("recipe_weights.csv",))


def _as_run(summary: StudySummary) -> RunSummary:
    return RunSummary(
        title=summary.title,
        config={},
        machine="",
        data_note="",
        is_simulated=summary.is_simulated,
        stages=(),
        scores=None if summary.scores.empty else summary.scores,
        pixels=None if summary.pixels.empty else summary.pixels,
        grader_draws=summary.draws,
        seed=summary.seed,
        palette=summary.palette,
    )


def _at_chosen(rows: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Rows of real tiles only, and of each variant at the weight that validation chose."""
    keys = ["variant", "balance_weight"]
    picked = rows.merge(chosen[keys].drop_duplicates(), on=keys)
    return pd.concat([rows[rows["balance_weight"] == 0], picked], ignore_index=True)


def _chosen(chosen: pd.DataFrame, **values: str) -> pd.DataFrame:
    if chosen.empty:
        return pd.DataFrame(columns=["variant", "balance_weight"])
    return _where(chosen, **values)


def _where(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _place(data_set: object) -> str:
    return DATA_NAMES.get(str(data_set), str(data_set))
