"""What the numbers say, in words that claim no more than their intervals do."""

from __future__ import annotations

from typing import Any

import pandas as pd

from disc.evaluate.agreement import SEVERAL_LABELS
from disc.evaluate.auroc import MEAN
from disc.report.numbers import Numbers
from disc.report.run_summary import RunSummary

VARIANT_NAMES = {
    "real": "as they are",
    "reconstruction": "through the autoencoder",
    "collage": "real tiles joined by the masks",
    "sd": "plain",
    "sd-sc": "separated conditions",
    "sd-disc": "DISC",
    "sd-disc-cotrain": "DISC-CoTrain",
}
"""What variants are, in the order in which the page shows them."""
DATA_NAMES = {"in": "in distribution", "shifted": "out of distribution"}
FEW_CLUSTERS = 20
"""Percentile intervals from fewer slides or patients are too narrow."""
FEW_POSITIVES = 5
MINUS = "\N{MINUS SIGN}"


def signed(value: float) -> str:
    """A difference, with its sign."""
    return "none" if pd.isna(value) else f"{value:+z.3f}".replace("-", MINUS)


def plain(value: float) -> str:
    """A number of three decimals."""
    return "none" if pd.isna(value) else f"{value:z.3f}".replace("-", MINUS)


def interval(row: Any) -> str:
    """The 95 % interval of a row with `low` and `high`."""
    if pd.isna(row.low):
        return "[no interval]"
    return f"[{plain(row.low)}, {plain(row.high)}]"


def verdict(row: Any) -> str:
    """What a difference's interval allows to say: better, worse, unclear, or no interval."""
    if pd.isna(row.low):
        return "no interval"
    if row.low > 0:
        return "better"
    return "worse" if row.high < 0 else "unclear"


def in_order(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The table's rows by variant, in the page's order; unknown variants come last."""
    parts = {str(name): part for name, part in table.groupby("variant")}
    known = [name for name in VARIANT_NAMES if name in parts]
    return [(name, parts[name]) for name in [*known, *sorted(set(parts) - set(known))]]


def count(number: int, noun: str) -> str:
    """A number of things: 1 slide, 24 slides."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def agreement_sentence(row: Any, base: str = "sd") -> str:
    """One difference of mask agreement, from a row of the table of differences."""
    one, other = f"{row.variant} ({VARIANT_NAMES.get(row.variant, 'ours')})", f"{base} (plain)"
    support = f"{count(row.tiles, 'mask')} from {count(row.slides, 'slide')}"
    found = f"{signed(row.value)} {interval(row)}, {support}"
    return {
        "better": f"Tiles of {one} follow masks with {row.kind} better than {other}: {found}.",
        "worse": f"Tiles of {one} follow masks with {row.kind} worse than {other}: {found}.",
        "unclear": f"On masks with {row.kind}, {one} cannot be told from {other}: {found}.",
        "no interval": f"On masks with {row.kind}, {one} against {other}: {found}.",
    }[verdict(row)]


def headline(numbers: Numbers) -> list[str]:
    """The page's first sentences."""
    sentences = []
    if not numbers.differences.empty:
        several = numbers.differences[numbers.differences["kind"] == SEVERAL_LABELS]
        sentences += [agreement_sentence(row) for row in several.itertuples()]
    sentences += _kept(numbers) + _ceiling(numbers)
    gains = numbers.chosen_gains()
    if not gains.empty:
        sentences += grading_sentences(gains[gains["label"] == MEAN])
    return sentences


def grading_sentences(gains: pd.DataFrame) -> list[str]:
    """How many of the gains of slide grading can be told from zero, by test set."""
    sentences = []
    for data_set, part in gains.groupby("data_set", sort=True):
        verdicts = [verdict(row) for row in part.itertuples()]
        better, worse = verdicts.count("better"), verdicts.count("worse")
        where = f"Slide grading {DATA_NAMES.get(data_set, data_set)}"
        best = part.loc[part["value"].idxmax()] if part["value"].notna().any() else None
        if best is None:
            sentences.append(f"{where}: no mean AUROC, no label has both outcomes.")
            continue
        span = f"{signed(part['value'].min())} to {signed(part['value'].max())}"
        words = f"{where}: added to real tiles, synthetic tiles change the mean AUROC by {span}"
        if not better and not worse:
            end = f"none of the {len(part)} differences can be told from zero"
        else:
            count = f"of {len(part)} differences"
            end = f"{count}, {better} can be told from zero as gains and {worse} as losses"
        sentences.append(f"{words}; {end}.")
    return sentences


def cautions(summary: RunSummary, numbers: Numbers) -> list[str]:
    """What the reader must know before believing: the run's notes, and what the tables show."""
    found = list(summary.notes)
    if summary.is_simulated:
        found.insert(0, "The tissue is simulated: nothing here says how well any of this grades.")
    if not numbers.differences.empty:
        slides = int(numbers.differences["slides"].min())
        if slides < FEW_CLUSTERS:
            found.append(
                f"Mask agreement rests on masks from {count(slides, 'slide')}; with fewer than "
                f"{FEW_CLUSTERS} the intervals are too narrow."
            )
    return found + _thin_support(numbers)


def _thin_support(numbers: Numbers) -> list[str]:
    if numbers.auroc.empty:
        return []
    real = numbers.auroc["balance_weight"] == 0
    test = numbers.auroc[real & (numbers.auroc["split"] == "test")]
    fewest = test[["positives", "negatives"]].min(axis=1)
    thin = test[fewest < FEW_POSITIVES].drop_duplicates(["data_set", "label"])
    return [
        f"{row.label} {DATA_NAMES.get(row.data_set, row.data_set)}: "
        f"{count(int(row.positives), 'slide')} with and {int(row.negatives)} without it. "
        + ("It has no AUROC." if pd.isna(row.value) else "Its AUROC carries little.")
        for row in thin.itertuples()
    ]


def _kept(numbers: Numbers) -> list[str]:
    """How much of the gain of separated conditions one pass keeps, where there is a gain."""
    if numbers.differences.empty:
        return []
    several = numbers.differences[numbers.differences["kind"] == SEVERAL_LABELS]
    rows = {row.variant: row for row in several.itertuples()}
    if not {"sd-sc", "sd-disc"} <= set(rows) or verdict(rows["sd-sc"]) != "better":
        return []
    fraction = max(0.0, rows["sd-disc"].value / rows["sd-sc"].value)
    return [f"In one pass a step, DISC keeps {fraction:.0%} of the gain of separated conditions."]


def _ceiling(numbers: Numbers) -> list[str]:
    if numbers.agreement.empty:
        return []
    several = numbers.agreement[numbers.agreement["kind"] == SEVERAL_LABELS]
    read = several.set_index("variant")["value"]
    if not {"real", "reconstruction"} <= set(read.index):
        return []
    sentences = [
        f"The referee itself reads real tiles of this kind at {plain(read['real'])}, and "
        f"{plain(read['reconstruction'])} once they went through the autoencoder: "
        "that is the ceiling."
    ]
    if "collage" in read.index:
        sentences.append(
            "Of real one-label tiles, joined by the very masks that were asked for and passed "
            f"through the autoencoder, it reads {plain(read['collage'])}: fusing patterns by these "
            "masks can hardly be read better than that."
        )
    return sentences
