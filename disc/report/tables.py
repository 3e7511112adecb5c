"""Tables of the page: what is shown of the numbers, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from disc.evaluate.auroc import LABELS, MEAN
from disc.report.numbers import Numbers
from disc.report.run_summary import StageRecord
from disc.report.sentences import (
    DATA_NAMES,
    VARIANT_NAMES,
    count,
    in_order,
    interval,
    plain,
    signed,
    verdict,
)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field: a number with what stands small below it, and how it is to be read."""

    text: str
    small: str = ""
    mood: str = ""
    """"better" or "worse" where an interval says so."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table ready to be shown."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Field]]


def agreement_grid(numbers: Numbers, kind: str) -> Grid:
    """Mask agreement of each variant, and its paired difference to plain sampling."""
    part = numbers.agreement[numbers.agreement["kind"] == kind]
    differences = numbers.differences[numbers.differences["kind"] == kind].set_index("variant")
    rows = []
    for row in (next(lines.itertuples()) for _, lines in in_order(part)):
        has_pair = row.variant in differences.index
        pair = _difference(differences.loc[row.variant]) if has_pair else Field(text="")
        support = Field(text=str(row.tiles), small=count(row.slides, "slide"))
        rows.append([_name(row.variant), _value(row), pair, support])
    return Grid(
        caption=f"Masks with {kind}",
        columns=("tiles", "agreement", "difference to sd", "masks"),
        rows=rows,
    )


def recall_grid(recalls: pd.DataFrame, kind: str) -> Grid:
    """Share of each label's pixels that the referee reads as asked."""
    part = recalls[recalls["kind"] == kind]
    rows, unasked = [], Field(text="", small="not asked")
    for variant, lines in in_order(part):
        by_label = {row.label: _value(row) for row in lines.itertuples() if row.tiles}
        rows.append([_name(variant), *(by_label.get(name, unasked) for name in LABELS)])
    return Grid(caption=f"By label, masks with {kind}", columns=("tiles", *LABELS), rows=rows)


def standard_deviation_grid(standard_deviations: pd.DataFrame) -> Grid:
    """Spread of sampled latents; the data's is 1."""
    rows = [
        [
            _name(row.set),
            Field(text=f"{row.standard_deviation:.2f}"),
            Field(text=f"{int(row.num):,}"),
        ]
        for row in standard_deviations.itertuples()
    ]
    return Grid(caption="Spread of latents", columns=("set", "spread", "latents"), rows=rows)


def gain_grid(
    gains: pd.DataFrame, auroc: pd.DataFrame, grader: str, encoder: str, data_set: str
) -> Grid:
    """AUROC per label: of real tiles only, and what the chosen balance weights change."""
    where = (auroc["grader"] == grader) & (auroc["encoder"] == encoder)
    where &= (auroc["data_set"] == data_set) & (auroc["split"] == "test")
    base = auroc[where & (auroc["balance_weight"] == 0)].set_index("label")
    names = [*LABELS, MEAN]
    first = [Field(text="real tiles only", small="AUROC")]
    rows = [first + [_value(base.loc[name]) for name in names]]
    for variant, part in in_order(gains):
        by_label = part.set_index("label")
        weight = part["balance_weight"].iloc[0]
        name = Field(text=f"+ {variant}", small=f"balance weight {weight:g}")
        rows.append([name, *(_difference(by_label.loc[label]) for label in names)])
    columns = [f"{name}{_support(base.loc[name])}" for name in names]
    caption = f"{grader} on {encoder} features, {DATA_NAMES.get(data_set, data_set)}"
    return Grid(caption=caption, columns=("trained on", *columns), rows=rows)


def dice_grid(numbers: Numbers, grader: str, truth: str, data_set: str) -> Grid:
    """Mean Dice and precision of predicted grades, with gains over real tiles only."""
    values, gains = (
        frame[
            (frame["grader"] == grader)
            & (frame["truth_kind"] == truth)
            & (frame["data_set"] == data_set)
            & (frame["split"] == "test")
        ]
        for frame in (numbers.dice, numbers.dice_gains)
    )
    changes = gains.set_index(["variant", "metric", "label"])
    rows = []
    for variant, part in in_order(values):
        found = part.set_index(["metric", "label"])
        row = [Field(text="real tiles only" if variant == "real" else f"+ {variant}")]
        for key in (("dice", MEAN), ("precision", "GG")):
            row.append(_value(found.loc[key]))
            has_gain = (variant, *key) in changes.index
            row.append(_difference(changes.loc[(variant, *key)]) if has_gain else Field(text=""))
        rows.append(row)
    against = {"exact": "exact masks", "annotation": "annotations"}.get(truth, truth)
    return Grid(
        caption=f"{grader} against {against}, {DATA_NAMES.get(data_set, data_set)}",
        columns=("trained on", "mean Dice", "gain", "precision of grades", "gain"),
        rows=rows,
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
    mood = verdict(row)
    is_told = mood in ("better", "worse")
    return Field(text=signed(row.value), small=interval(row), mood=mood if is_told else "")


def _support(row: Any) -> str:
    if pd.isna(row.positives):
        return ""
    return f" ({int(row.positives)} of {int(row.positives + row.negatives)})"
