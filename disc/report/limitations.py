"""What limits each part's numbers, to be shown beside them."""

from __future__ import annotations

import pandas as pd

from disc.evaluate.graders.configurations import name_runs
from disc.report.numbers import Numbers
from disc.report.run_summary import AGREEMENT, PARTS, PIXEL_GRADING, SLIDE_GRADING, RunSummary
from disc.report.sentences import DATA_NAMES, TRUTH_NAMES, count, name_label

RUN = "run"
"""What limits every part."""
FEW_CLUSTERS = 20
"""Percentile intervals from fewer slides or patients are too narrow."""
FEW_POSITIVES = 5
FEW_SEEDS = 5
MORE_TILES = (
    "With synthetic data a training step sees twice as many samples; controls (real tiles drawn "
    "twice, longer training) are missing, so a gain is no evidence yet that synthetic tiles help."
)


def limitations(summary: RunSummary, numbers: Numbers) -> dict[str, list[str]]:
    """Limitations by part, `RUN` first: the run's notes, and what its tables show."""
    found: dict[str, list[str]] = {RUN: [], **{part: [] for part in PARTS}}
    if summary.is_simulated:
        found[RUN].append(
            "The tissue is simulated: nothing here says how well any of this grades patients."
        )
    found[RUN].append(
        "Intervals of mask agreement hold sampling variability, of slides and masks, but not seed "
        "variability: another training may differ by more than they are wide."
    )
    for note in summary.notes:
        part = next((part for part in PARTS if note.startswith(f"{part}:")), RUN)
        text = note.removeprefix(f"{part}:").strip()
        if not text.startswith("not possible"):
            found[part].append(text[:1].upper() + text[1:])
    found[AGREEMENT] += _few_slides(numbers)
    found[SLIDE_GRADING] += [*_thin_support(numbers), *_at_chance(numbers), *_seeds(summary.scores)]
    found[PIXEL_GRADING] += [*_unlearnt(numbers), *_seeds(summary.pixels)]
    tables = (
        (SLIDE_GRADING, numbers.auroc_gains, numbers.chosen),
        (PIXEL_GRADING, numbers.dice_gains, numbers.dice_chosen),
    )
    for part, gains, chosen in tables:
        found[part] += [] if gains.empty else [*_unchosen(gains, chosen), MORE_TILES]
    return found


def _unchosen(gains: pd.DataFrame, chosen: pd.DataFrame) -> list[str]:
    """Variants of several balance weights of which none could be chosen."""
    keys = [name for name in ("variant", "grader", "encoder") if name in gains]
    every, known = (
        set() if table.empty else set(table[keys].itertuples(index=False, name=None))
        for table in (gains, chosen)
    )
    if every <= known:
        return []
    names = "; ".join(" ".join(map(str, part)) for part in sorted(every - known))
    return [
        f"No balance weight could be chosen, and so there is no verdict, for {names}: what a fold "
        "validates on is missing, or lacks labels. Give validation slides, or one weight."
    ]


def _few_slides(numbers: Numbers) -> list[str]:
    if numbers.differences.empty:
        return []
    slides = int(numbers.differences["slides"].min())
    if slides >= FEW_CLUSTERS:
        return []
    return [
        f"Mask agreement rests on masks from {count(slides, 'slide')}; with fewer than "
        f"{FEW_CLUSTERS} the intervals are too narrow."
    ]


def _seeds(rows: pd.DataFrame | None) -> list[str]:
    """What the intervals of graders do not hold for want of seeds, and whether few seeds vary."""
    if rows is None:
        return []
    named = name_runs(rows)
    added, base = named[named["balance_weight"] > 0], named[named["balance_weight"] == 0]
    nums = {
        "generator": added["generator_seed"].nunique(),
        "grader": min(part["grader_seed"].nunique() for part in (added, base)),
    }
    single = [name for name, num in nums.items() if num == 1]
    few = [count(num, f"{name} seed") for name, num in nums.items() if 1 < num < FEW_SEEDS]
    sentences = []
    if single:
        sentences.append(
            f"There is one seed of the {' and of the '.join(single)}: what another training would "
            "change is in no interval."
        )
    if few:
        sentences.append(
            f"Intervals are over {' and '.join(few)} too; so few make them coarse, and too narrow "
            "where trainings differ more than patients do."
        )
    return sentences


def _thin_support(numbers: Numbers) -> list[str]:
    """Labels of which a test set has hardly any slides, or hardly any without, in one sentence."""
    if numbers.auroc.empty:
        return []
    real = numbers.auroc["balance_weight"] == 0
    test = numbers.auroc[real & (numbers.auroc["split"] == "test")]
    fewest = test[["positives", "negatives"]].min(axis=1)
    thin = test[fewest < FEW_POSITIVES].drop_duplicates(["data_set", "label"])
    if thin.empty:
        return []
    by_set = [
        f"{DATA_NAMES.get(data_set, data_set)}, of {_all_slides(part)} slides: "
        + ", ".join(f"{name_label(row.label)} {int(row.positives)}" for row in part.itertuples())
        for data_set, part in thin.groupby("data_set", sort=True)
    ]
    lacking = (
        "; a label without slides on both sides has none" if thin["value"].isna().any() else ""
    )
    return [
        f"AUROC says little where fewer than {FEW_POSITIVES} slides have a label, or lack it"
        f"{lacking} ({'; '.join(by_set)})."
    ]


def _all_slides(part: pd.DataFrame) -> int:
    return int((part["positives"] + part["negatives"]).iloc[0])


def _at_chance(numbers: Numbers) -> list[str]:
    """Labels and test sets on which the slide grader of real tiles only is not above chance."""
    gains = numbers.chosen_gains()
    if gains.empty:
        return []
    found = []
    keys = ["grader", "encoder", "data_set"]
    for (grader, encoder, data_set), _ in gains.groupby(keys, sort=True):
        base = numbers.baseline_auroc(grader, encoder, data_set)
        at_chance = base[base["low"].notna() & ~base["is_above_chance"]]
        if len(at_chance):
            names = ", ".join(name_label(label) for label in at_chance.index)
            found.append(f"{DATA_NAMES.get(data_set, data_set)} {names}")
    if not found:
        return []
    return [
        "Baseline at chance: with real tiles only AUROC cannot be told from .5 "
        f"({'; '.join(found)}); gains over it are not coloured."
    ]


def _unlearnt(numbers: Numbers) -> list[str]:
    """Labels that pixel graders of real tiles only have not learnt, and where, in one sentence."""
    if numbers.baselines.empty:
        return []
    test = numbers.baselines[numbers.baselines["split"] == "test"]
    places: dict[str, list[str]] = {}
    keys = ["truth_kind", "data_set"]
    for (truth, data_set), rows in test[~test["is_learnt"]].groupby(keys, sort=True):
        labels = ", ".join(dict.fromkeys(name_label(label) for label in rows["label"]))
        where = f"{DATA_NAMES.get(data_set, data_set)} against {TRUTH_NAMES.get(truth, truth)}"
        places.setdefault(labels, []).append(where)
    if not places:
        return []
    is_everywhere = len(places) == 1 and len(next(iter(places.values()))) == len(
        test.drop_duplicates(keys)
    )
    found = [
        labels if is_everywhere else f"{labels} ({', '.join(where)})"
        for labels, where in places.items()
    ]
    return [
        f"Baseline not trained: with real tiles only, the pixel grader has not learned "
        f"{'; '.join(found)}: in a training its Dice is that of chance, or little more. Gains over "
        "it say nothing about synthetic tiles, and are not coloured."
    ]
