"""Tables of graders: real tiles only, what synthetic tiles change, and the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from disc.evaluate.auroc import LABELS, MEAN
from disc.evaluate.graders.folds import EVERY, POOLED
from disc.evaluate.graders.verdicts import HARMS, HELPS, MATCHED, ONCE, UNCLEAR, UNTRAINED
from disc.report.numbers import Numbers
from disc.report.sentences import (
    DATA_NAMES,
    ENCODER_NAMES,
    GRADER_NAMES,
    TRUTH_NAMES,
    in_order,
    interval,
    name_label,
    plain,
    signed,
)
from disc.report.tables import Field, Grid

MOODS = {HELPS: "better", HARMS: "worse", UNTRAINED: "moot", ONCE: "moot"}
"""How a verdict is coloured; the others are not."""
PRECISION = "GG"


def auroc_grid(numbers: Numbers, grader: str, encoder: str, data_set: str) -> Grid:
    """AUROC per label: of real tiles only, and what the chosen balance weights change."""
    base = numbers.baseline_auroc(grader, encoder, data_set)
    gains, tests = (
        _where(table, grader=grader, encoder=encoder, data_set=data_set)
        for table in (numbers.chosen_gains(), numbers.auroc_tests)
    )
    names = [*LABELS, MEAN]
    features, where = ENCODER_NAMES.get(encoder, encoder), DATA_NAMES.get(data_set, data_set)
    return Grid(
        caption=f"{GRADER_NAMES.get(grader, grader)} on {features} features, {where}",
        columns=("trained on", *(f"{name_label(x)}{_support(base.loc[x])}" for x in names)),
        rows=[
            [Field(text="real tiles only", small="AUROC"), *(_level(base.loc[x]) for x in names)],
            *_changes(gains, tests, names, is_moot=not base.loc[MEAN].is_above_chance),
        ],
        files=("auroc_tests.csv", "auroc.csv", "auprc.csv", "auroc_gains.csv", "chosen.csv"),
    )


def slide_grids(numbers: Numbers) -> list[Grid]:
    """AUROC of every slide grader and test set, and kappa of those that give grade groups."""
    if numbers.auroc_tests.empty:
        return []
    keys = ["grader", "encoder", "data_set"]
    grids = [auroc_grid(numbers, *key) for key, _ in numbers.auroc_tests.groupby(keys)]
    if not numbers.kappa.empty:
        test = numbers.kappa[numbers.kappa["split"] == "test"]
        grids += [kappa_grid(numbers, *key) for key, _ in test.groupby(keys)]
    if not numbers.folds.empty:
        grids += [fold_grid(numbers, *key) for key, _ in numbers.folds.groupby(keys[:2])]
    return grids


def fold_grid(numbers: Numbers, grader: str, encoder: str) -> Grid:
    """Mean AUROC fold by fold on test slides, and of all folds' validation slides as one set."""
    table = _where(numbers.folds, grader=grader, encoder=encoder, label=MEAN)
    # external sets, which come after, are read by the graders of every fold too
    table = table[table["data_set"] == min(table["data_set"])]
    keys = ["variant", "balance_weight"]
    configurations = table.loc[table["balance_weight"] == 0, keys].drop_duplicates()
    if not numbers.chosen.empty:
        chosen = _where(numbers.chosen, grader=grader, encoder=encoder)[keys]
        configurations = pd.concat([configurations, chosen])
    values = table.set_index([*keys, "split", "fold"])["value"]
    folds = sorted(set(table["fold"]) - {EVERY})
    rows = []
    for variant, weight in configurations.itertuples(index=False):
        name = f"+ {variant}" if weight else "real tiles only"
        row = [Field(text=name, small=f"balance weight {weight:g}" if weight else "AUROC")]
        for fold in folds:
            small = f"validation {_fold_value(values, (variant, weight, 'val', fold))}"
            tested = _fold_value(values, (variant, weight, "test", fold))
            row.append(Field(text=tested, small=small))
        rows.append([*row, Field(text=_fold_value(values, (variant, weight, POOLED, EVERY)))])
    features = ENCODER_NAMES.get(encoder, encoder)
    return Grid(
        caption=f"{GRADER_NAMES.get(grader, grader)} on {features} features: folds (not tested)",
        columns=("trained on", *folds, "validation slides of all, out of fold"),
        rows=rows,
        files=("folds.csv",),
    )


def _fold_value(values: pd.Series, key: tuple[object, ...]) -> str:
    """A value, or a dash where a fold has no such slides, or they lack labels."""
    value = float(values.get(key, float("nan")))
    return "\N{EN DASH}" if pd.isna(value) else plain(value)


def kappa_grid(numbers: Numbers, grader: str, encoder: str, data_set: str) -> Grid:
    """Quadratic weighted kappa of ISUP groups: of real tiles only, and what is changed."""
    where = {"grader": grader, "encoder": encoder, "data_set": data_set, "split": "test"}
    levels, gains = (_where(table, **where) for table in (numbers.kappa, numbers.kappa_gains))
    base = levels[levels["balance_weight"] == 0].iloc[0]
    rows = [[Field(text="real tiles only", small="kappa"), _level(base)]]
    for variant, part in in_order(gains.merge(numbers.chosen, on=list(numbers.chosen.columns))):
        found = part.iloc[0]
        first = Field(text=f"+ {variant}", small=f"balance weight {found.balance_weight:g}")
        rows.append([first, Field(text=signed(found.value), small=interval(found))])
    features, place = ENCODER_NAMES.get(encoder, encoder), DATA_NAMES.get(data_set, data_set)
    return Grid(
        caption=f"{GRADER_NAMES.get(grader, grader)} on {features} features, {place}: ISUP groups",
        columns=("trained on", "quadratic weighted kappa (not tested)"),
        rows=rows,
        files=("kappa.csv", "kappa_gains.csv"),
    )


def dice_grid(numbers: Numbers, grader: str, truth: str, data_set: str) -> Grid:
    """Dice per label and precision of predicted grades: real tiles only, and what is changed."""
    where = {"grader": grader, "truth_kind": truth, "data_set": data_set}
    levels, gains = (
        _shown(_where(table, split="test", **where)) for table in (numbers.dice, numbers.dice_gains)
    )
    gains = gains.merge(numbers.dice_chosen, on=list(numbers.dice_chosen.columns))
    base = levels[levels["balance_weight"] == 0].set_index("label")
    is_moot = len(numbers.unlearnt(grader, truth, data_set)) > 0
    first = Field(text="real tiles only", small=UNTRAINED if is_moot else "Dice")
    names = [*LABELS, MEAN, PRECISION]
    titles = {MEAN: "mean Dice", PRECISION: "precision"}
    against, place = TRUTH_NAMES.get(truth, truth), DATA_NAMES.get(data_set, data_set)
    return Grid(
        caption=f"{GRADER_NAMES.get(grader, grader)} against {against}, {place}",
        columns=("trained on", *(titles.get(x, name_label(x)) for x in names)),
        rows=[
            [first, *(_level(base.loc[x]) for x in names)],
            *_changes(gains, _where(numbers.dice_tests, **where), names, is_moot=is_moot),
        ],
        files=("dice_tests.csv", "dice.csv", "dice_gains.csv", "baselines.csv", "confusion.csv"),
    )


def _changes(
    gains: pd.DataFrame, tests: pd.DataFrame, names: Sequence[str], *, is_moot: bool
) -> list[list[Field]]:
    """A row a variant; what is not tested, as a mean, has no colour and no verdict."""
    rows = []
    verdicts = tests.set_index(["variant", "label"])
    for variant, part in in_order(gains):
        by_label = part.set_index("label")
        weight = part["balance_weight"].iloc[0]
        row = [Field(text=f"+ {variant}", small=f"balance weight {weight:g}")]
        for name in names:
            if (variant, name) in verdicts.index:
                row.append(_tested(verdicts.loc[(variant, name)]))
            else:
                mood = "moot" if is_moot else ""
                found = by_label.loc[name]
                row.append(Field(text=signed(found.value), small=interval(found), mood=mood))
        rows.append(row)
    return rows


def _tested(test: Any) -> Field:
    small = interval(test)
    if test.verdict == UNCLEAR and test.grader_seeds == 1:
        small += f", {ONCE}"
    elif test.verdict == UNCLEAR:
        is_blind = pd.isna(test.smallest)
        small += ", can show nothing" if is_blind else f", can show {plain(test.smallest)}"
    if test.verdict == ONCE:
        small += f", {ONCE}"
    if test.verdict == MATCHED:
        small += f", {signed(test.beyond)} to {test.control}"
    return Field(text=signed(test.value), small=small, mood=MOODS.get(test.verdict, ""))


def _level(row: Any) -> Field:
    return Field(text=plain(row.value), small=interval(row))


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Dice by label, and of the precisions that over all grades."""
    is_shown = (table["metric"] == "dice") | (table["label"] == PRECISION)
    return table[is_shown]


def _where(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _support(row: Any) -> str:
    if pd.isna(row.positives):
        return ""
    return f" ({int(row.positives)} of {int(row.positives + row.negatives)})"
