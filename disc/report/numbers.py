"""Every number of the page, computed from the run's tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from disc.evaluate.agreement import (
    ACCURACY,
    AGREEMENT,
    CHANCE,
    REFERENCES,
    agreement_table,
    difference_table,
    label_table,
    share_table,
)
from disc.evaluate.graders.statistics import above_chance, pixel_statistics, slide_statistics
from disc.evaluate.marks import mark_differences
from disc.report.run_summary import RunSummary

SLIDE_TABLES = (
    *("auroc", "auroc_gains", "auprc", "kappa", "kappa_gains", "folds"),
    *("chosen", "auroc_tests"),
)
PIXEL_TABLES = ("dice", "dice_gains", "confusion", "baselines", "dice_chosen", "dice_tests")


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """The tables of `disc.evaluate` for one run; an empty one was not possible."""

    standard_deviations: pd.DataFrame
    agreement: pd.DataFrame
    """The primary measure: mean recall over labels that cover at least 5 % of the tile."""
    all_labels: pd.DataFrame
    """The old measure: mean recall over all labels of the mask."""
    accuracy: pd.DataFrame
    """Fraction of the pixels that are read as asked for."""
    quality: pd.DataFrame
    """Kernel distances, textures, seams, standard deviation of latents, evaluations."""
    audit: pd.DataFrame
    """Figures of a short audit of the synthetic slides, a row a variant and figure."""
    differences: pd.DataFrame
    """Of each variant's primary measure to that of `sd`, paired by mask and noise; with `marks`
    where more than the mask differs."""
    kept: pd.DataFrame
    """Fraction of the gain of `sd-sc` over `sd` that the distilled variants have."""
    way: pd.DataFrame
    """Fraction of the way from chance to collages of real tiles that each variant comes."""
    recalls: pd.DataFrame
    """Recall of each label."""
    auroc: pd.DataFrame
    auroc_gains: pd.DataFrame
    """Of each variant and balance weight to real tiles only; descriptive."""
    auprc: pd.DataFrame
    """Average precision."""
    kappa: pd.DataFrame
    """Quadratic weighted, of ISUP grade groups; only of graders that give them."""
    kappa_gains: pd.DataFrame
    folds: pd.DataFrame
    """AUROC fold by fold, and of all folds' validation slides as one set."""
    chosen: pd.DataFrame
    """The balance weight of each variant that validation slides chose."""
    auroc_tests: pd.DataFrame
    """The primary tests: variant, label, test set, at the chosen weights."""
    dice: pd.DataFrame
    dice_gains: pd.DataFrame
    """As `auroc_gains`, of Dice and precision."""
    confusion: pd.DataFrame
    """Pixels by true and predicted label."""
    dice_chosen: pd.DataFrame
    """As `chosen`, for pixel graders."""
    dice_tests: pd.DataFrame
    """As `auroc_tests`, of Dice."""
    baselines: pd.DataFrame
    """Whether pixel graders of real tiles only have learnt each label."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that are not empty, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: table for name, table in named.items() if not table.empty}

    def chosen_gains(self) -> pd.DataFrame:
        """Gains on test slides at the balance weights that validation slides chose."""
        if self.chosen.empty:
            return self.chosen
        gains = self.auroc_gains[self.auroc_gains["split"] == "test"]
        return gains.merge(self.chosen, on=list(self.chosen.columns))

    def baseline_auroc(self, grader: str, encoder: str, data_set: str) -> pd.DataFrame:
        """AUROC of the slide grader of real tiles only on a test set, by label.

        Returns:
            value, low, high, positives, negatives, is_above_chance (told from .5).
        """
        where = (self.auroc["grader"] == grader) & (self.auroc["encoder"] == encoder)
        where &= (self.auroc["data_set"] == data_set) & (self.auroc["split"] == "test")
        base = self.auroc[where & (self.auroc["balance_weight"] == 0)]
        return base.assign(is_above_chance=above_chance(base).to_numpy()).set_index("label")

    def unlearnt(self, grader: str, truth_kind: str, data_set: str) -> pd.DataFrame:
        """Labels that the pixel grader of real tiles only has not learnt, on a test set."""
        if self.baselines.empty:
            return self.baselines
        table = self.baselines
        where = (table["grader"] == grader) & (table["truth_kind"] == truth_kind)
        where &= (table["data_set"] == data_set) & (table["split"] == "test")
        return table[where & ~table["is_learnt"]]


def measure(summary: RunSummary) -> Numbers:
    """Compute the page's numbers, with bootstrap intervals, from the story's tables."""
    how: dict[str, Any] = {"draws": summary.draws, "seed": summary.seed}
    of_graders = {**how, "draws": summary.grader_draws}
    agreement, scores, pixels = map(_table, (summary.agreement, summary.scores, summary.pixels))
    quality = _table(None if agreement.empty else summary.quality)
    nothing = pd.DataFrame()
    slides = {} if scores.empty else slide_statistics(scores, **of_graders)
    tiles = {} if pixels.empty else pixel_statistics(pixels, **of_graders)
    absent = dict.fromkeys((*SLIDE_TABLES, *PIXEL_TABLES), nothing)
    return Numbers(
        standard_deviations=_table(summary.standard_deviations),
        agreement=nothing if agreement.empty else agreement_table(agreement, **how),
        all_labels=nothing if agreement.empty else agreement_table(agreement, AGREEMENT, **how),
        accuracy=nothing if agreement.empty else agreement_table(agreement, ACCURACY, **how),
        quality=quality,
        audit=_table(summary.audit),
        differences=nothing if agreement.empty else _differences(agreement, quality, how),
        kept=nothing if agreement.empty else share_table(agreement, **how),
        way=nothing if agreement.empty else share_table(agreement, CHANCE, "collage", **how),
        recalls=nothing if agreement.empty else label_table(agreement, **how),
        **{**absent, **slides, **tiles},
    )


def _table(table: pd.DataFrame | None) -> pd.DataFrame:
    return pd.DataFrame() if table is None else table


def _differences(
    agreement: pd.DataFrame, quality: pd.DataFrame, how: dict[str, Any]
) -> pd.DataFrame:
    """References are left out: they are read on other masks, so there is nothing to pair."""
    generated = agreement[~agreement["variant"].isin(REFERENCES)]
    found = difference_table(generated, **how)
    return found.assign(marks="") if quality.empty else mark_differences(found, quality)
