"""Charts of a study: curves over the balance weight, ROC, calibration, confusion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disc.evaluate.auroc import LABELS, MEAN
from disc.labels import NUM_LABELS, Label
from disc.report.figures import COLOURS, STYLE
from disc.report.sentences import in_order, name_label

CONTROL_COLOURS = {
    "real-again": "#8a8a8a",
    "real-balanced": "#b59f3b",
    "real-remixed": "#56b4e9",
}
OTHER_COLOUR = "#e69f00"
"""Of shuffled labels."""
CONTROL = "--"
"""Dash of controls."""
Dash = str | tuple[int, tuple[int, ...]]
CONDITIONS: dict[str, tuple[Dash, str]] = {
    "crossattn": (":", "s"),
    "concat": ((0, (6, 2)), "D"),
    "hybrid": ((0, (8, 1, 1, 1)), "P"),
    "layout": ("-.", "^"),
    "tile-label": ((0, (1, 2)), "v"),
    "tile+slide-label": ((0, (5, 1, 1, 1, 1, 1)), "X"),
}
"""Dash and marker of the other conditions of a variant, which have its colour."""
LEAST_SPAN = 0.02
"""Of an axis of values: less would show rounding as if it were something."""
PANELS = [*LABELS, MEAN]
PANEL = 2.5
"""Inches."""
NUM_BINS = 5
"""Of calibration."""


def draw_curves(table: pd.DataFrame, chosen: pd.DataFrame, title: str, measure: str) -> Figure:
    """A measure over the balance weight, a panel a label, with 95 % bands (Fig. 6).

    Args:
        table: variant, balance_weight, label, value, low, high, of one test set.
        chosen: the weights that validation chose: filled.
        title: of the figure.
        measure: what is measured.
    """
    labels = [name for name in PANELS if table.loc[table["label"] == name, "value"].notna().any()]
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(labels, title)
        for name, axes in panels:
            _draw_curve(axes, table[table["label"] == name], chosen)
            axes.set_xlabel("balance weight")
            axes.set_ylabel(measure)
        _legend(figure, panels)
    return figure


def draw_roc(runs: pd.DataFrame, title: str) -> Figure:
    """ROC curves, a panel a label, averaged over trainings at equal false positive rates.

    Args:
        runs: rows of scores.parquet of one test set, real tiles only and the chosen weights.
        title: of the figure.
    """
    grid = np.linspace(0, 1, 101)
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(_defined(runs), title)
        for name, axes in panels:
            axes.plot([0, 1], [0, 1], color="#dddddd", linewidth=1)
            for variant, part in _by_variant(runs[runs["label"] == name]):
                rates = [np.interp(grid, *_roc(run)) for run in _trainings(part)]
                colour, line = _style(variant)
                axes.plot(grid, np.mean(rates, axis=0), color=colour, ls=line, label=variant)
            axes.set_xlabel("false positive rate")
            axes.set_ylabel("true positive rate")
        _legend(figure, panels)
    return figure


def draw_calibration(runs: pd.DataFrame, title: str) -> Figure:
    """How often a label is there over how probable it was said to be; all trainings together."""
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(_defined(runs), title)
        for name, axes in panels:
            axes.plot([0, 1], [0, 1], color="#dddddd", linewidth=1)
            for variant, part in _by_variant(runs[runs["label"] == name]):
                said, seen = _bins(part)
                colour, line = _style(variant)
                axes.plot(said, seen, color=colour, ls=line, marker="o", ms=4, label=variant)
            axes.set_xlabel("predicted probability")
            axes.set_ylabel("fraction with label")
        _legend(figure, panels)
    return figure


def draw_confusion(table: pd.DataFrame, title: str) -> Figure:
    """Predicted over true label of pixels, a panel a training set.

    Args:
        table: variant, truth, predicted, fraction (of the pixels of that truth).
        title: of the figure.
    """
    names = [label.name for label in Label]
    parts = dict(_by_variant(table))
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(list(parts), title)
        for variant, axes in panels:
            matrix = parts[variant].pivot_table(
                index="truth", columns="predicted", values="fraction"
            )
            values = matrix.reindex(index=names, columns=names).to_numpy()
            axes.imshow(values, cmap="Blues", vmin=0, vmax=1)
            for i, j in np.ndindex(NUM_LABELS, NUM_LABELS):
                if np.isfinite(values[i, j]):
                    shade = "white" if values[i, j] > 0.6 else "black"
                    axes.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", color=shade)
            axes.set_xticks(range(NUM_LABELS), names)
            axes.set_yticks(range(NUM_LABELS), names)
            axes.set_xlabel("predicted")
            axes.set_ylabel("truth")
    return figure


def _panels(names: Sequence[str], title: str) -> tuple[Figure, list[tuple[str, Axes]]]:
    columns = min(3, max(1, len(names)))
    rows = max(1, ceil(len(names) / columns))
    figure = Figure(figsize=(PANEL * columns + 0.6, PANEL * rows + 0.9), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False).ravel())
    for unused in axes[len(names) :]:
        unused.set_visible(False)
    figure.suptitle(title, fontsize=10, fontweight="bold")
    panels = list(zip(names, axes, strict=False))
    for name, each in panels:
        each.set_title(name_label(name) if name in PANELS else name)
    return figure, panels


def _legend(figure: Figure, panels: Sequence[tuple[str, Axes]]) -> None:
    found = dict[str, Artist]()
    for _, axes in panels:
        handles, names = axes.get_legend_handles_labels()
        found |= dict(zip(names, handles, strict=True))
    if found:
        figure.legend(
            list(found.values()), list(found), loc="outside lower center", ncols=3, fontsize=8
        )


def _draw_curve(axes: Axes, table: pd.DataFrame, chosen: pd.DataFrame) -> None:
    base = table[table["balance_weight"] == 0].iloc[0]
    axes.axhline(base["value"], color=COLOURS["real"], ls="--", linewidth=1, label="real only")
    axes.axhspan(base["low"], base["high"], color=COLOURS["real"], alpha=0.08, linewidth=0)
    for variant, part in in_order(table[table["balance_weight"] > 0]):
        line = part.sort_values("balance_weight")
        colour, dash = _style(variant)
        x = [0, *line["balance_weight"]]
        picked = chosen.loc[chosen["variant"] == variant, "balance_weight"]
        marks = 1 + np.flatnonzero(line["balance_weight"].isin(picked))
        axes.plot(
            x,
            [base["value"], *line["value"]],
            color=colour,
            ls=dash,
            marker=_mark(variant),
            markevery=marks.tolist(),
            label=variant,
        )
        if dash != CONTROL:  # bands of all would hide each other; the tables have them
            low, high = ([base[side], *line[side]] for side in ("low", "high"))
            # faint, with edges: those of variants that are read alike lie over each other
            axes.fill_between(x, low, high, color=colour, alpha=0.04, linewidth=0)
            axes.plot(x, np.transpose([low, high]), color=colour, linewidth=0.6, alpha=0.7)
    lowest, highest = axes.get_ylim()
    axes.set_ylim(min(lowest, highest - LEAST_SPAN), highest)
    axes.ticklabel_format(axis="y", useOffset=False)


def _style(variant: str) -> tuple[str, Dash]:
    """Colour and dash: controls dashed, other conditions in dashes of their own."""
    name, _, condition = variant.partition(" (")
    if name in COLOURS:
        return COLOURS[name], CONDITIONS[condition.rstrip(")")][0] if condition else "-"
    return CONTROL_COLOURS.get(name, OTHER_COLOUR), CONTROL


def _mark(variant: str) -> str:
    """Marker of chosen weights; other conditions have their own."""
    condition = variant.partition(" (")[2].rstrip(")")
    return CONDITIONS[condition][1] if condition else "o"


def _defined(runs: pd.DataFrame) -> list[str]:
    """Labels that slides have and lack."""
    counts = runs.groupby("label")["truth"].nunique()
    return [name for name in LABELS if counts.get(name, 0) == 2]


def _by_variant(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    return iter(in_order(table))


def _trainings(part: pd.DataFrame) -> Iterator[pd.DataFrame]:
    keys = ["balance_weight", "generator_seed", "grader_seed", "fold"]
    return (run for _, run in part.groupby(keys))


def _roc(run: pd.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1)."""
    ordered = run.sort_values("score", ascending=False)
    truth = ordered["truth"].to_numpy() > 0
    # points only where the score changes: ties rise together
    last = np.append(np.diff(ordered["score"].to_numpy()) != 0, True)
    rates = [np.append(0.0, np.cumsum(part)[last] / max(1, part.sum())) for part in (~truth, truth)]
    return rates[0], rates[1]


def _bins(part: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Mean score and fraction of positives in equal bins of the score."""
    place = np.minimum((part["score"] * NUM_BINS).astype(int), NUM_BINS - 1)
    found = part.groupby(place)[["score", "truth"]].mean()
    return found["score"].tolist(), found["truth"].tolist()
