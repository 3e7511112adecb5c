"""Tables of the page: what is shown of the numbers, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from disc.evaluate.agreement import SYNTHESIS
from disc.evaluate.auroc import LABELS
from disc.evaluate.quality import ENERGIES
from disc.report.numbers import Numbers
from disc.report.run_summary import StageRecord
from disc.report.sentences import (
    KIND_NAMES,
    MARK,
    VARIANT_NAMES,
    count,
    in_order,
    interval,
    name_label,
    plain,
    signed,
    tell_reasons,
    verdict,
)

AUDITED = (
    *("kid.texture", "copies", "seam.beyond-real"),
    *(f"gradient.{name}" for name in LABELS),
    "coherence.NC",
)
"""Figures of a short audit."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field: a number with what stands small below it, and how it is to be read."""

    text: str
    small: str = ""
    mood: str = ""
    """"better" or "worse" where an interval says so; "moot" where the baseline has not learnt,
    "marked" where more than the mask differs."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table ready to be shown."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Field]]
    files: Sequence[str] = ()
    """Tables beside the page that hold these numbers and more."""


def agreement_grid(numbers: Numbers, kind: str) -> Grid:
    """Mask agreement of each variant, its paired difference to plain sampling, other measures."""
    of_kind = {
        name: table[table["kind"] == kind].set_index("variant")
        for name, table in numbers.tables().items()
        if "kind" in table and name != "recalls"
    }
    nothing = pd.DataFrame()
    differences, spent = of_kind.get("differences", nothing), of_kind.get("quality", nothing)
    rows, part = [], numbers.agreement[numbers.agreement["kind"] == kind]
    for row in (next(lines.itertuples()) for _, lines in in_order(part)):
        has_pair = row.variant in differences.index
        pair = _marked(differences.loc[row.variant]) if has_pair else Field(text="")
        support = Field(text=str(row.tiles), small=count(row.slides, "slide"))
        others = [_value(of_kind[name].loc[row.variant]) for name in ("all_labels", "accuracy")]
        cost = Field(text=_spent(spent, row.variant))
        rows.append([_name(row.variant), cost, _value(row), pair, *others, support])
    return Grid(
        caption=f"{KIND_NAMES[kind][:1].upper()}{KIND_NAMES[kind][1:]}",
        columns=(
            *("tiles", "evaluations a tile", "recall, labels of 5 % or more"),
            *("difference to sd", "recall, all labels", "pixel accuracy", "masks"),
        ),
        rows=rows,
        files=("agreement.csv", "differences.csv", "all_labels.csv", "accuracy.csv"),
    )


def quality_grid(numbers: Numbers, kind: str) -> Grid:
    """What agreement does not see; gradient energies over those of reconstructed real tiles."""
    table = numbers.quality[numbers.quality["kind"] == kind]
    marks = numbers.differences[numbers.differences["kind"] == kind].set_index("variant")["marks"]
    reference = table.set_index("variant").loc["reconstruction", ENERGIES]
    rows = []
    for variant, lines in in_order(table):
        row = lines.iloc[0]
        energies = (row[ENERGIES] / reference).astype(float)
        rows.append(
            [
                _name(variant),
                *(_distance(row, view) for view in ("reconstruction", "real")),
                Field(text=_short(row["standard_deviation"])),
                *(Field(text=_short(value)) for value in energies),
                Field(text=_short(row["seam"])),
                Field(text=tell_reasons(marks.get(variant, ""))),
            ]
        )
    return Grid(
        caption=f"{KIND_NAMES[kind][:1].upper()}{KIND_NAMES[kind][1:]}",
        columns=(
            *("tiles", "KID, through the autoencoder", "KID, as they are", "SD of latents"),
            *(f"gradient, {name_label(name)}" for name in LABELS),
            *("seam ratio", f"marked {MARK}"),
        ),
        rows=rows,
        files=("quality.csv",),
    )


def audit_grid(numbers: Numbers) -> Grid:
    """The short form of an audit of the synthetic slides, a row a variant; then real tiles."""
    agreement = numbers.agreement
    if not agreement.empty:
        agreement = agreement[agreement["kind"] == SYNTHESIS].set_index("variant")
    rows, table = [], numbers.audit
    for variant, part in table.groupby("variant", sort=False):
        followed = _value(agreement.loc[variant]) if variant in agreement.index else Field(text="")
        by_name = part.set_index("name")
        figures = [_figure(by_name.loc[name]) for name in AUDITED]
        rows.append([_name(variant), followed, *figures])
    has_real = "real" in agreement.index
    ceiling = Field(text=plain(agreement.loc["real", "value"]) if has_real else "")
    floors = table.groupby("name")["floor"].mean()
    real = [Field(text=_short(floors.get(name))) for name in AUDITED[:2]]
    ideal = [Field(text="0"), *[Field(text="1")] * len(AUDITED[3:])]
    rows.append([Field(text="real tiles"), ceiling, *real, *ideal])
    return Grid(
        caption="Short audit of the synthetic slides",
        columns=(
            *("tiles", "mask agreement", "KID, fixed filters", "copies", "seams, grey levels"),
            *(f"gradient, {name_label(name)}" for name in LABELS),
            "fibres run one way, Non-Cancer",
        ),
        rows=rows,
        files=("audit.csv",),
    )


def recall_grid(recalls: pd.DataFrame, kind: str) -> Grid:
    """Recall: the fraction of each label's pixels that the referee reads as that label."""
    part = recalls[recalls["kind"] == kind]
    rows, absent = [], Field(text="", small="not in a mask")
    for variant, lines in in_order(part):
        by_label = {row.label: _value(row) for row in lines.itertuples() if row.tiles}
        rows.append([_name(variant), *(by_label.get(name, absent) for name in LABELS)])
    return Grid(
        caption=f"Recall by label, {KIND_NAMES[kind]}",
        columns=("tiles", *map(name_label, LABELS)),
        rows=rows,
        files=("recalls.csv",),
    )


def standard_deviation_grid(standard_deviations: pd.DataFrame) -> Grid:
    """Standard deviation of sampled latents; the data's is 1."""
    rows = [
        [
            _name(row.set),
            Field(text=f"{row.standard_deviation:.2f}"),
            Field(text=f"{int(row.num):,}"),
        ]
        for row in standard_deviations.itertuples()
    ]
    return Grid(
        caption="Standard deviation of latents",
        columns=("set", "standard deviation", "latents"),
        rows=rows,
        files=("standard_deviations.csv",),
    )


def stage_grid(stages: Sequence[StageRecord]) -> Grid:
    """What was run and how long it took."""
    rows = [
        [Field(text=stage.name), Field(text=duration(stage.seconds)), Field(text=stage.what)]
        for stage in stages
    ]
    total = Field(text=duration(sum(stage.seconds for stage in stages)))
    rows.append([Field(text="all"), total, Field(text="")])
    return Grid(caption="Stages", columns=("stage", "time", "what"), rows=rows)


def duration(seconds: float) -> str:
    """Seconds in the words of a clock: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _name(variant: Any) -> Field:
    return Field(text=str(variant), small=VARIANT_NAMES.get(str(variant), ""))


def _value(row: Any) -> Field:
    return Field(text=plain(row.value), small=interval(row))


def _difference(row: Any) -> Field:
    mood = verdict(row) if verdict(row) in ("better", "worse") else ""
    return Field(text=signed(row.value), small=interval(row), mood=mood)


def _marked(row: Any) -> Field:
    """A difference of agreement; where more than the mask differs, it counts as no evidence."""
    field = _difference(row)
    if not row.marks:
        return field
    small = f"{field.small} {tell_reasons(row.marks)}"
    return Field(text=f"{field.text} {MARK}", small=small, mood="marked")


def _figure(row: Any) -> Field:
    """A figure of an audit with its interval, or why there is none."""
    if row["refused"]:
        return Field(text="", small=row["refused"])
    low, high = _short(row["low"]), _short(row["high"])
    # of a set of one slide there is none
    return Field(text=_short(row["value"]), small=f"[{low}, {high}]" if low else "")


def _spent(quality: pd.DataFrame, variant: str) -> str:
    """Evaluations of the network a tile; "" of what none made."""
    if variant not in quality.index:
        return ""
    value = quality.loc[variant, "evaluations"]
    return "" if pd.isna(value) else f"{value:.1f}".removesuffix(".0")


def _distance(row: Any, view: str) -> Field:
    """A kernel distance with its interval; "" of real tiles."""
    value, low, high = (row[f"kid_{view}{end}"] for end in ("", "_low", "_high"))
    if pd.isna(value):
        return Field(text="")
    return Field(text=_short(value), small=f"[{_short(low)}, {_short(high)}]")


def _short(value: float | None) -> str:
    return "" if pd.isna(value) else f"{value:z.2f}".replace("-", "\N{MINUS SIGN}")
