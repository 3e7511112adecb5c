"""The verdicts on synthetic tiles, in sentences."""

from __future__ import annotations

from typing import Any

import pandas as pd

from disc.evaluate.graders.verdicts import (
    HARMS,
    HELPS,
    MATCHED,
    ONCE,
    UNCLEAR,
    UNDEFINED,
    UNTRAINED,
)
from disc.report.numbers import Numbers
from disc.report.run_summary import PIXEL_GRADING, SLIDE_GRADING
from disc.report.sentences import (
    DATA_NAMES,
    ENCODER_NAMES,
    TRUTH_NAMES,
    count,
    interval,
    name_label,
    plain,
    signed,
)

TRUTHS = ("exact", "annotation")
"""Truths of pixels; the first that a run has counts in the headline."""


def grading_sentences(numbers: Numbers) -> list[str]:
    """One sentence a test set and grader: what the primary tests say."""
    sentences = []
    if not numbers.auroc_tests.empty:
        tests, keys = numbers.auroc_tests, ["grader", "encoder", "data_set"]
        is_one = tests["grader"].nunique() == 1
        for (grader, encoder, data_set), part in tests.groupby(keys):
            by = SLIDE_GRADING if is_one else f"{SLIDE_GRADING} by {grader}"
            features = ENCODER_NAMES.get(encoder, encoder)
            where = f"{by} on {features} features, {DATA_NAMES.get(data_set, data_set)}"
            sentences.append(verdict_sentence(part, where, "AUROC"))
    tests = numbers.dice_tests
    if not tests.empty:
        truth = next(kind for kind in TRUTHS if (tests["truth_kind"] == kind).any())
        for data_set, part in tests[tests["truth_kind"] == truth].groupby("data_set"):
            where = f"{PIXEL_GRADING}, {DATA_NAMES.get(data_set, data_set)}"
            sentences.append(verdict_sentence(part, where, f"Dice against {TRUTH_NAMES[truth]}"))
    return sentences


def verdict_sentence(tests: pd.DataFrame, where: str, measure: str) -> str:
    """What the primary tests of one test set say.

    Args:
        tests: as `primary_tests` gives them.
        where: grader and test set.
        measure: that is compared.
    """
    variants, labels = tests["variant"].nunique(), tests["label"].nunique()
    compared = f"{count(variants, 'variant')} against real tiles only"
    parts = [f"{where}: {measure} of {compared}, {count(labels, 'label')}"]
    for word in (HELPS, MATCHED, HARMS):
        found = tests[tests["verdict"] == word]
        parts += [_found(row) for row in found.itertuples()]
    once = tests[tests["verdict"] == ONCE]
    if len(once):
        shown = ", ".join(_differs(row) for row in once.itertuples())
        differ = "differs" if len(once) == 1 else "differ"
        parts.append(
            f"{ONCE}, so neither help nor harm, {len(once)} of {len(tests)}: {shown} "
            f"{differ} by more than other patients would change; another seed of the grader may "
            "change as much"
        )
    unclear = tests[tests["verdict"] == UNCLEAR]
    if len(unclear):
        is_once = (unclear["grader_seeds"] == 1).all()
        shown = "graders of one seed can show none" if is_once else _smallest(unclear)
        parts.append(f"{UNCLEAR}, {len(unclear)} of {len(tests)}: {shown}")
    for word, why in (
        (UNTRAINED, "the grader of real tiles only fails its own check, so a gain over it is none"),
        (UNDEFINED, "too few patients with, or without, the label"),
    ):
        found = tests[tests["verdict"] == word]
        if len(found):
            names = ", ".join(name_label(label) for label in found["label"].unique())
            parts.append(f"{word}, {names}: {why}")
    return " ".join(f"{part[:1].upper()}{part[1:]}." for part in parts)


def _found(row: Any) -> str:
    p = "p < .001" if row.p_holm < 0.001 else f"p = {row.p_holm:.3f}".replace("0.", ".")
    found = f"{signed(row.value)} {interval(row)}, {p}"
    if row.verdict == MATCHED:
        span = f"[{plain(row.beyond_low)}, {plain(row.beyond_high)}]"
        found += f"; to the control {row.control} {signed(row.beyond)} {span}"
    return f"{name_label(row.label)}: {row.variant} {row.verdict}, {found}"


def _differs(row: Any) -> str:
    return f"{row.variant} in {name_label(row.label)} ({signed(row.value)} {interval(row)})"


def _smallest(unclear: pd.DataFrame) -> str:
    """The smallest differences that could have been shown, by label, of whatever varies most."""
    by_label = unclear.groupby("label", sort=False)["smallest"].max()
    names = {name: name_label(str(name)) for name in by_label.index}
    sizes = [f"{names[name]} {plain(size)}" for name, size in by_label.dropna().items()]
    blind = [names[name] for name, size in by_label.items() if pd.isna(size)]
    said = []
    if sizes:
        said.append(f"the smallest difference this test set can show is {', '.join(sizes)}")
    if blind:
        said.append(
            f"of {', '.join(blind)} this test set can show none: all draws are alike, or too few "
            "patients or seeds leave every difference open"
        )
    return "; ".join(said)
