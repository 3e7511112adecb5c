"""Charts: mask agreement, AUROC over the balance weight, Dice. Small enough for a phone."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disc.evaluate.agreement import (
    CHANCE,
    KINDS,
    MULTI_CLASS,
    REFERENCES,
    SINGLE_CLASS,
    SYNTHESIS,
)
from disc.evaluate.auroc import MEAN
from disc.report.numbers import Numbers
from disc.report.sentences import DATA_NAMES, KIND_NAMES, TRUTH_NAMES, in_order, name_label

COLOURS = {
    "real": "#444444",
    "reconstruction": "#8a8a8a",
    "collage": "#b59f3b",
    "sd": "#d55e00",
    "sd-sc": "#0072b2",
    "sd-disc": "#009e73",
    "sd-disc-cotrain": "#aa4499",
    "sd-disc-fast": "#000000",
}
"""Of variants; colour-blind readers tell them apart by their markers too."""
MARKERS = {
    "real": "s",
    "reconstruction": "D",
    "collage": "P",
    "sd": "o",
    "sd-sc": "^",
    "sd-disc": "v",
    "sd-disc-cotrain": "X",
    "sd-disc-fast": "*",
}
WEIGHT_GAP = 0.035
"""Between variants at one balance weight, of the largest weight."""
WIDTH = 4.2
"""Inches; at 10 points this stays readable on a phone."""
KIND_FILES = {SINGLE_CLASS: "one label", MULTI_CLASS: "several labels", SYNTHESIS: "synthesis"}
"""Kinds of masks in the names of files, which stay as they were."""
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "svg.hashsalt": "disc",
    "legend.frameon": False,
}


def draw_figures(numbers: Numbers) -> dict[str, Figure]:
    """Every chart that the numbers allow, by file name."""
    figures = {}
    with matplotlib.rc_context(STYLE):
        agreement = numbers.agreement
        if not agreement.empty:
            # so far below all else that nothing could be told apart beside it
            agreement = agreement[agreement["variant"] != CHANCE]
        limits = _limits(agreement)
        for kind in KINDS:
            part = _where(agreement, kind=kind)
            if not part.empty:
                figures[f"agreement {KIND_FILES[kind]}"] = draw_agreement(part, kind, limits)
        for (grader, encoder, data_set), part in _groups(
            _where(numbers.auroc, split="test", label=MEAN), ["grader", "encoder", "data_set"]
        ):
            name = f"auroc {grader} {encoder} {data_set}"
            figures[name] = draw_auroc(part, numbers.chosen, data_set)
        for (grader, truth, data_set), part in _groups(
            _where(numbers.dice, split="test", metric="dice"), ["grader", "truth_kind", "data_set"]
        ):
            figures[f"dice {grader} {truth} {data_set}"] = draw_dice(part, truth, data_set)
    return {name.replace(" ", "_"): figure for name, figure in figures.items()}


def draw_agreement(table: pd.DataFrame, kind: str, limits: tuple[float, float]) -> Figure:
    """Mask agreement of each variant, with its interval; what it is read beside stands apart."""
    parts = in_order(table)
    order = [variant for variant, _ in parts]
    figure, axes = _canvas(0.7 + 0.36 * len(order))
    for place, (variant, part) in enumerate(parts):
        row = part.iloc[0]
        _point(axes, row["value"], place, row, variant, is_level=True)
    num_references = sum(name in REFERENCES for name in order)
    if 0 < num_references < len(order):
        axes.axhline(num_references - 0.5, color="#bbbbbb", linewidth=0.8)
    axes.set_yticks(range(len(order)), order)
    axes.invert_yaxis()
    axes.set_xlim(limits)
    axes.grid(axis="x", color="#e4e4e4")
    axes.set_xlabel("mean recall, labels of 5 % or more")
    name = KIND_NAMES[kind]
    axes.set_title(f"{name[:1].upper()}{name[1:]}")
    return figure


def draw_auroc(table: pd.DataFrame, chosen: pd.DataFrame, data_set: str) -> Figure:
    """Mean AUROC over the balance weight; filled at the weight that validation chose."""
    figure, axes = _canvas(3.3)
    base = table[table["balance_weight"] == 0].iloc[0]
    weights = sorted(table["balance_weight"].unique())
    gap = WEIGHT_GAP * (max(weights) or 1)
    axes.axhline(base["value"], color=COLOURS["real"], linestyle="--", linewidth=1)
    _point(axes, 0, base["value"], base, "real", label="real only")
    for place, (variant, part) in enumerate(in_order(table[table["balance_weight"] > 0])):
        shift = gap * (place - 1.5)
        colour, line = _colour(variant), part.sort_values("balance_weight")
        axes.plot(
            [0, *(line["balance_weight"] + shift)], [base["value"], *line["value"]], color=colour
        )
        picked = _chosen_weights(line, chosen)
        for _, row in line.iterrows():
            is_open = row["balance_weight"] not in picked
            x = row["balance_weight"] + shift
            _point(axes, x, row["value"], row, variant, is_open=is_open)
        axes.plot([], [], color=colour, marker=MARKERS.get(variant, "P"), label=variant)
    axes.set_xticks(weights)
    axes.set_xlabel("balance weight (filled: chosen on validation slides)")
    axes.set_ylabel("AUROC")
    axes.grid(axis="y", color="#e4e4e4")
    axes.set_title(f"Mean AUROC, {DATA_NAMES.get(data_set, data_set)}")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def draw_dice(table: pd.DataFrame, truth: str, data_set: str) -> Figure:
    """Dice by label, one point for each training set of the pixel grader."""
    labels = [label for label in table["label"].unique() if label != MEAN] + [MEAN]
    figure, axes = _canvas(3.3)
    groups = in_order(table)
    for place, (variant, part) in enumerate(groups):
        shift = 0.15 * (place - (len(groups) - 1) / 2)
        for _, row in part.iterrows():
            _point(axes, labels.index(row["label"]) + shift, row["value"], row, variant)
        name = "real only" if variant == "real" else f"+ {variant}"
        axes.plot(
            [], [], color=_colour(variant), marker=MARKERS.get(variant, "P"), ls="", label=name
        )
    axes.set_xticks(range(len(labels)), map(name_label, labels))
    axes.set_ylim(0, 1)
    axes.set_ylabel("Dice")
    axes.grid(axis="y", color="#e4e4e4")
    against, where = TRUTH_NAMES.get(truth, truth), DATA_NAMES.get(data_set, data_set)
    axes.set_title(f"Dice against {against}, {where}")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def as_png(figure: Figure, dpi: float = 200) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def _canvas(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _point(
    axes: Axes,
    x: float,
    y: float,
    row: pd.Series,
    variant: str,
    *,
    is_level: bool = False,
    is_open: bool = False,
    label: str | None = None,
) -> None:
    """A value with its interval, which lies along x if `is_level`, else along y."""
    colour = _colour(variant)
    if np.isfinite(row["low"]):
        draw = axes.hlines if is_level else axes.vlines
        draw(y if is_level else x, row["low"], row["high"], color=colour, linewidth=1.2, alpha=0.6)
    axes.plot(
        [x],
        [y],
        color=colour,
        marker=MARKERS.get(variant, "P"),
        markerfacecolor="white" if is_open else colour,
        ls="",
        label=label,
    )


def _chosen_weights(line: pd.DataFrame, chosen: pd.DataFrame) -> set[float]:
    """Balance weights of a variant's line that validation slides chose."""
    keys = ["grader", "encoder", "variant", "balance_weight"]
    return set(line.merge(chosen, on=keys)["balance_weight"])


def _limits(agreement: pd.DataFrame) -> tuple[float, float]:
    """One range for both kinds of masks, so that the charts can be laid side by side."""
    if agreement.empty:
        return 0.0, 1.0
    ends = agreement[["value", "low", "high"]]
    return float(ends.min(axis=None)) - 0.02, float(ends.max(axis=None)) + 0.02


def _colour(variant: str) -> str:
    return COLOURS.get(variant, "black")


def _where(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    for column, value in values.items():
        table = table if table.empty else table[table[column] == value]
    return table


def _groups(table: pd.DataFrame, keys: Sequence[str]) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    return [] if table.empty else list(table.groupby(list(keys), sort=True))
