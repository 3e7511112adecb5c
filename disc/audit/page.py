"""The page of an audit, and its table."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from disc.audit.audit import Audit
from disc.audit.copies.new import PairOfTiles
from disc.audit.figures import TITLES, Figure, Part, to_table
from disc.audit.summary import headline, judge
from disc.data.pixels.mask_colours import colour_mask
from disc.files import write_bytes, write_parquet
from disc.labels import Label
from disc.report.figures import STYLE, as_svg
from disc.report.pictures import Cell, as_uri
from disc.report.tables import Field, Grid
from disc.report.templates import legend, open_template

NUM_SHOWN = 8
"""Synthetic tiles with their masks on the page."""
_BLUE, _GREY, _ORANGE = "#0072b2", "#8a8a8a", "#d55e00"
GROUPS: Mapping[Part, Sequence[tuple[str, tuple[str, ...]]]] = {
    "asked": (
        ("Mask agreement", ("agreement", "recall")),
        ("By size of the region", ("size",)),
        ("By distance from a border", ("boundary",)),
        ("Train on the one, test on the other", ("train-synthetic", "train-real")),
    ),
    "look": (
        ("Distances", ("kid", "frechet", "probe")),
        ("Each set beside the other", ("precision", "recall-of-real", "density", "coverage")),
        ("Sharpness over real", ("gradient", "spectrum")),
        ("Fibres that run one way, over real", ("coherence",)),
        ("Stain", ("stain",)),
        ("Optical density over real", ("stain-mean", "stain-deviation")),
        ("Tissue and nuclei over real", ("tissue", "nuclei")),
    ),
    "new": (
        ("Copies", ("copies", "copied-tiles", "copied-patients")),
        ("How well copies are found", ("power", "false-alarms")),
    ),
    "seams": (("Steps at borders", ("seam", "step")), ("Lattice", ("lattice",))),
}
"""Tables of a section: caption, and first words of the names of its figures."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A question with its tables and charts."""

    name: Part
    title: str
    grids: Sequence[Grid]
    charts: Sequence[str]
    pairs: Sequence[tuple[str, Sequence[Cell]]]


def write_audit_page(path: Path, audit: Audit) -> None:
    """Write the page, one file that needs nothing else."""
    page = open_template("audit.html").render(
        title=f"Audit of {Path(audit.synthetic.name).name}",
        audit=audit,
        headline=headline(audit),
        checks=audit.checks,
        sections=[_section(audit, part) for part in audit.parts],
        tiles=_sample(audit),
        legend=legend(),
    )
    write_bytes(path, page.encode("utf-8", "backslashreplace"))


def write_audit_table(path: Path, audit: Audit) -> None:
    """Write every figure as a row of a CSV or, by the name's ending, of a parquet."""
    table = to_table(audit.figures)
    if path.suffix == ".parquet":
        write_parquet(path, table)
    else:
        buffer = io.StringIO()
        table.to_csv(buffer, index=False)
        write_bytes(path, buffer.getvalue().encode())


def print_audit(audit: Audit, console: Console) -> None:
    """Print the short form: what each question's main figures are."""
    for line in headline(audit):
        console.print(Text(line))
    table = Table(box=SIMPLE)
    for name in ("figure", "value", "95 % interval", "beside"):
        table.add_column(name, overflow="fold")
    for figure in audit.figures:
        if is_main(figure):
            table.add_row(figure.name, tell_value(figure), tell_interval(figure), beside(figure))
    console.print(table)
    for check in audit.checks:
        word = "kept" if check.passed else "NOT KEPT"
        console.print(Text(f"limit {check.limit}: {word} ({tell_value(check.figure)})"))


def is_main(figure: Figure) -> bool:
    """Whether a figure is in the short form; the page and the table have all."""
    first, _, second = figure.name.partition(".")
    always = ("agreement", "train-synthetic", "kid", "frechet", "probe", "gradient", "seam")
    return first in always or (first in ("copies", "power") and second in ("", "flipped"))


def tell_value(figure: Figure) -> str:
    """A value for people; why there is none, where there is none."""
    return (figure.refused and "refused") or _number(figure.value)


def tell_interval(figure: Figure) -> str:
    """An interval for people; for a refused figure, what would do."""
    if figure.refused:
        return figure.refused
    return "" if math.isnan(figure.low) else f"[{_number(figure.low)}, {_number(figure.high)}]"


def beside(figure: Figure) -> str:
    """What a figure is to be seen beside."""
    is_rate = figure.name.partition(".")[0] == "copies"
    floors = ("false alarms", "at most") if is_rate else ("real halves", "95 % of them below")
    values = (figure.chance, figure.ceiling, figure.floor, figure.floor_high)
    parts = zip(("chance", "real", *floors), values, strict=True)
    return ", ".join(f"{name} {_number(value)}" for name, value in parts if not math.isnan(value))


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    text = f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _section(audit: Audit, part: Part) -> Section:
    figures = [one for one in audit.figures if one.part == part]
    grids = [
        _grid(caption, [one for one in figures if one.name.partition(".")[0] in names])
        for caption, names in GROUPS[part]
    ]
    if part == "asked":
        grids.append(_confusion_grid(figures))
    pairs = audit.copies.pairs if part == "new" and audit.copies else []
    return Section(
        name=part,
        title=TITLES[part],
        grids=[grid for grid in grids if grid.rows],
        charts=_charts(part, figures),
        pairs=[_pair(audit, pair) for pair in pairs],
    )


def _grid(caption: str, figures: Sequence[Figure]) -> Grid:
    rows = [
        [
            Field(text=one.text, small=one.name),
            Field(text=tell_value(one), small=tell_interval(one), mood=judge(one)),
            Field(text=beside(one)),
            Field(
                text=f"{one.tiles:,}" if one.tiles and not one.refused else "",
                small=f"{one.clusters} clusters" if one.clusters else "",
            ),
        ]
        for one in figures
    ]
    return Grid(caption=caption, columns=("figure", "value", "beside", "tiles"), rows=rows)


def _confusion_grid(figures: Sequence[Figure]) -> Grid:
    """Asked down, read across; small, the same of real tiles with their own masks."""
    found = {one.name: one for one in figures if one.name.startswith("confusion.")}
    rows = []
    for asked in Label:
        row = [found.get(f"confusion.{asked.name}>{read.name}") for read in Label]
        if any(row):
            rows.append([Field(text=asked.name), *map(_confusion_cell, row)])
    columns = ("asked, read as:", *(label.name for label in Label))
    return Grid(caption="Confusion of pixels", columns=columns, rows=rows)


def _confusion_cell(figure: Figure | None) -> Field:
    if figure is None:
        return Field(text="")
    if figure.refused:
        return Field(text="refused", small=figure.refused, mood=judge(figure))
    small = "" if math.isnan(figure.ceiling) else f"real {figure.ceiling:.0%}"
    return Field(text=f"{figure.value:.0%}", small=small)


def _pair(audit: Audit, pair: PairOfTiles) -> tuple[str, Sequence[Cell]]:
    made = Cell(heading="synthetic", pixels=audit.synthetic.images[pair.made])
    like = Cell(heading="most alike", pixels=audit.real.images[pair.like])
    what = "whole tile" if pair.is_whole else "window"
    word = "copy, " if pair.is_copy else ""
    return f"{word}{what} {pair.score:.2f}", (made, like)


def _sample(audit: Audit) -> list[list[Cell]]:
    """A row of synthetic tiles over their masks, and a row of real ones over theirs."""
    rows = []
    for held, name in ((audit.synthetic, "synthetic"), (audit.real, "real")):
        order = np.argsort(-(held.facts.fractions > 0.1).sum(axis=1), kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, min(NUM_SHOWN, len(order))).astype(int)]
        rows.append([Cell(heading=name, pixels=held.images[i]) for i in chosen])
        masks = [colour_mask(held.masks[i]) for i in chosen]
        rows.append([Cell(heading="mask", pixels=mask, is_mask=True) for mask in masks])
    return rows


def _charts(part: Part, figures: Sequence[Figure]) -> list[str]:
    """Charts of a section as data URIs."""
    drawn = []
    with matplotlib.rc_context(STYLE):
        if part == "asked":
            drawn.append(_curve(figures, "boundary", "pixels from a border", "pixel accuracy"))
        if part == "look":
            for label in Label:
                title = f"{label.name}: power over real"
                drawn.append(_curve(figures, f"spectrum.{label.name}", "wavelength in px", title))
        if part == "seams":
            drawn.append(_curve(figures, "step", "pixels from a border", "grey levels"))
        return [as_uri(as_svg(one), "image/svg+xml") for one in drawn if one is not None]


def _curve(figures: Sequence[Figure], start: str, across: str, up: str) -> Canvas | None:
    """Values over the numbers at the ends of the figures' names, with those of real tiles."""
    points = []
    for one in figures:
        name = "step.0" if one.name == "seam" and start == "step" else one.name
        end = name.replace(":", ".").rpartition(".")[2]
        if name.startswith(start) and end.lstrip("+-").isdigit() and not one.refused:
            points.append((int(end), one))
    if len(points) < 2:
        return None
    points.sort(key=lambda point: point[0])
    canvas = Canvas(figsize=(4.2, 2.6), layout="constrained")
    axes: Axes = canvas.add_subplot()
    places = [str(place) for place, _ in points]
    values, lows, highs, real = (
        np.array([getattr(one, name) for _, one in points])
        for name in ("value", "low", "high", "ceiling")
    )
    axes.fill_between(places, lows, highs, color=_BLUE, alpha=0.2, linewidth=0)
    axes.plot(places, values, color=_BLUE, marker="o", label="synthetic")
    if np.isfinite(real).any():
        axes.plot(places, real, color=_GREY, marker="s", linestyle="--", label="real")
    axes.set_xlabel(across)
    axes.set_title(up)
    axes.grid(axis="y", color="#e4e4e4")
    axes.legend(fontsize=9)
    return canvas
