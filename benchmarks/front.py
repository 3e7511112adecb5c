"""What `benchmarks/sampling.py` shows: quality over cost of every way, goals, where time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from timing import PARTS, Seconds, made, ratio

from disc.evaluate.marks import is_equal
from disc.files import write_bytes
from disc.report.figures import COLOURS, STYLE, as_png
from disc.settings.sampling import Solver

BANK = "bank: fuse, decode"
SEVERAL, ONE = "several labels", "one label"
MARKERS = "o^svDPX*<>hp"
DEFAULT = f"{Solver.name} {Solver.steps} {Solver.spacing}"
SC_OVER_A, SC_OVER_B, DISC_OVER_C, FAST_OVER_A, FAST_OVER_B = 70.0, 3.0, 35.0, 600.0, 20.0
BANK_OVER_DECODER, TWO_OVER_ONE = 1.2, 1.8
"""The goals."""


def judge(table: pd.DataFrame, rounds: Sequence[Seconds], bases: Mapping[str, str]) -> pd.DataFrame:
    """The table of readings with times: tiles a second, ratios to bases, and what is equal to them.

    Tiles from a bank are those of `sd-sc` under the plan `end` by the bank's solver.
    """
    banked = table[table["name"] == f"sd-sc end, {DEFAULT}"].assign(name=BANK, evaluations=0.0)
    table = pd.concat([table, banked], ignore_index=True)
    rows = [_time_of(name, rounds, bases) for name in table["name"]]
    for base in bases:
        ends = zip(table[f"to_{base}_low"], table[f"kid_to_{base}_low"], strict=True)
        table[f"equal_to_{base}"] = [
            is_equal(primary_gain_low=low, kid_gain_low=kid) for low, kid in ends
        ]
    return table.join(pd.DataFrame(rows))


def _time_of(name: str, rounds: Sequence[Seconds], bases: Mapping[str, str]) -> dict[str, float]:
    own = [made(one[name]) for one in rounds]
    row = {"tiles_per_second": 1 / float(np.median(own))}
    for base, title in bases.items():
        found = ratio([made(one[title]) for one in rounds], own)
        row |= {f"over_{base}{end}": found[key] for end, key in ENDS.items()}
    return row


ENDS = {"": "value", "_low": "low", "_high": "high"}


def print_table(table: pd.DataFrame, bases: Mapping[str, str]) -> None:
    """For people: cheapest last, each set of masks for itself."""
    for base in sorted(bases):
        print(f"{base}: {bases[base]}; timed as plain diffusers makes it")
    for name, part in table.groupby("masks", sort=False):
        print(f"\n{name}")
        ordered = part.sort_values("evaluations", ascending=False, kind="stable")
        print(pd.DataFrame([_tell(row) for _, row in ordered.iterrows()]).to_string(index=False))


def _tell(row: pd.Series) -> dict[str, str]:
    def span(name: str, digits: int) -> str:
        value, low, high = (row[f"{name}{end}"] for end in ENDS)
        return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    base = own_base(row["name"])
    return {
        "": row["name"],
        "evaluations": f"{row['evaluations']:.1f}",
        "tiles/s": f"{row['tiles_per_second']:.2f}",
        "over A": span("over_A", 1),
        "over B": span("over_B", 1),
        "primary": span("primary", 3),
        "to base": f"{base} {span(f'to_{base}', 3)}",
        "KID": span("kid", 2),
        "KID to base": span(f"kid_to_{base}", 2),
        "std": f"{row['deviation']:.2f}",
        "equal": "yes" if row[f"equal_to_{base}"] else "no",
    }


def own_base(name: str) -> str:
    """What a way's tiles are compared with: `sd-disc` with itself in 200 steps, others with A."""
    return "C" if name.startswith("sd-disc,") else "A"


def print_parts(rounds: Sequence[Seconds]) -> None:
    """Where the time of a tile goes, in milliseconds: medians of the rounds."""
    rows = {
        name: {part: 1000 * float(np.median([one[name][part] for one in rounds])) for part in PARTS}
        for name in rounds[0]
    }
    print("\nms a tile (writing is not in the tiles a second)")
    print(pd.DataFrame(rows).T.round(2).to_string())


def print_goals(
    table: pd.DataFrame,
    rounds: Sequence[Seconds],
    bases: Mapping[str, str],
    processes: dict[str, float] | None,
) -> list[dict[str, Any]]:
    """Say of each goal whether it is met, and by what: the fastest way that is equal."""
    part = table[table["masks"] == SEVERAL]
    wanted = [
        ("sd-sc, equal to A's, over A", "sd-sc ", "A", "A", SC_OVER_A),
        ("the same over B", "sd-sc ", "A", "B", SC_OVER_B),
        ("sd-disc, equal to C's, over C", "sd-disc,", "C", "C", DISC_OVER_C),
        ("sd-disc-fast, equal to A's, over A", "sd-disc-fast", "A", "A", FAST_OVER_A),
        ("the same over B", "sd-disc-fast", "A", "B", FAST_OVER_B),
    ]
    goals = []
    for what, start, equal_to, base, goal in wanted:
        chosen = part[part["name"].str.startswith(start) & part[f"equal_to_{equal_to}"]]
        chosen = chosen[~chosen["name"].isin(bases.values())]
        best = None if chosen.empty else chosen.loc[chosen["tiles_per_second"].idxmax()]
        found = None if best is None else {v: best[f"over_{base}{k}"] for k, v in ENDS.items()}
        name = None if best is None else best["name"]
        is_met = found is not None and bool(found["value"] >= goal)
        goals.append({"what": what, "goal": goal, "by": name, "met": is_met, "found": found})
    bank = [one[BANK] for one in rounds]
    found = ratio([made(one) for one in bank], [one["decoder"] for one in bank])
    is_met = found["value"] <= BANK_OVER_DECODER
    what = "time from the bank over that of decoding"
    goals.append({"what": what, "goal": BANK_OVER_DECODER, "met": is_met, "found": found})
    if processes is not None:
        is_met = processes["value"] >= TWO_OVER_ONE
        what = "two processes over one"
        goals.append({"what": what, "goal": TWO_OVER_ONE, "met": is_met, "found": processes})
    print()
    for one in goals:
        print(_say(one))
    return goals


def _say(goal: Mapping[str, Any]) -> str:
    found, by = goal["found"], goal.get("by")
    if found is None:
        return f"{goal['what']}: none is equal; goal {goal['goal']:g}"
    span = f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
    name = f" by {by}" if by else ""
    return (
        f"{goal['what']}: {span}{name}; goal {goal['goal']:g}: {'' if goal['met'] else 'not '}met"
    )


def draw_front(table: pd.DataFrame, bases: Mapping[str, str], path: Path) -> None:
    """Primary measure and kernel distance over evaluations a tile, on masks of several labels."""
    part = table[(table["masks"] == SEVERAL) & (table["name"] != BANK)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 8.0), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True)
        _draw(upper, part, "primary", bases)
        _draw(lower, part, "kid", bases)
        upper.set_title("recall of labels that cover 5 % or more, mean")
        lower.set_title("kernel distance to real tiles (lower: nearer)")
        lower.set_yscale("symlog", linthresh=1)
        lower.set_xlabel("evaluations of the network a tile")
        figure.legend(*upper.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
        write_bytes(path, as_png(figure))
    print(f"figure: {path}")


def _draw(axes: Axes, table: pd.DataFrame, column: str, bases: Mapping[str, str]) -> None:
    axes.set_xscale("log")
    series = table.assign(series=[_series(name) for name in table["name"]])
    for number, (name, part) in enumerate(series.groupby("series", sort=False)):
        line = part.sort_values("evaluations")
        x, y = line["evaluations"].to_numpy(), line[column].to_numpy()
        spread = np.abs(line[[f"{column}_low", f"{column}_high"]].to_numpy().T - y)
        variant = name.split()[0].removesuffix(",")
        look = {"color": COLOURS.get(variant, "#8a8a8a"), "marker": MARKERS[number % len(MARKERS)]}
        axes.errorbar(x, y, spread, label=name, lw=1, elinewidth=0.5, ms=5, **look)
    for base, title in bases.items():
        row = table[table["name"] == title].iloc[0]
        place = (row["evaluations"], row[column])
        axes.annotate(base, place, xytext=(6, 4), textcoords="offset points")


def _series(name: str) -> str:
    """Variant, plan and solver of a reading, whatever its number of steps."""
    way, _, solver = name.partition(", ")
    words = [word for word in solver.split() if not word.isdigit()]
    return f"{way}, {' '.join(words)}"
