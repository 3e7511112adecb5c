"""What segmenters have learnt to read of real tiles, without which their figures say nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.audit.asked.segmenter import Segmenters
from disc.audit.figures import Figure, refuse_because
from disc.audit.sets import AuditSet
from disc.evaluate.agreement import MIN_FRACTION, label_fractions, recalls
from disc.labels import Label
from disc.seeds import numpy_generator

MIN_ROOM = 0.05
"""Between chance and real tiles with their own masks, without which a reading says nothing."""
MIN_GAIN = 0.1
"""Of that room, which a label that segmenters have learnt to read takes up."""
MIN_JUDGED = 5
"""Real tiles of a label, without which nobody can say whether it is read; and synthetic ones that
ask for it, without which it decides over no figure but its own."""
SHUFFLES = 5
"""Of masks, for a chance level."""
POOLED = ("agreement", "size", "boundary", "train-real")
"""Figures that rest on the reading of all labels that are asked for."""
_NONE = "real tiles hold no {}"
_FEW = f"fewer than {MIN_JUDGED} real tiles have {100 * MIN_FRACTION:.0f} % or more of {{}}"
_FULL = "real tiles are of {} alone, and whoever reads it everywhere is right"
_DULL = (
    "the segmenters have not learnt to read {} in real tiles; train them longer (--segmenter-steps)"
)
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Readers:
    """Segmenters, and what is known of their reading.

    Attributes:
        segmenters: trained on the halves of the real patients.
        own: what those that did not see a tile's patient read in the real tiles, [N, H, W].
        unlearnt: labels that they cannot be trusted with, and why; {} stands for the label.
    """

    segmenters: Segmenters
    own: Pixels
    unlearnt: Mapping[Label, str]


def judge_segmenters(real: AuditSet, segmenters: Segmenters, *, seed: int) -> Readers:
    """Let segmenters read the real tiles, and say which labels they have not learnt."""
    own = segmenters.read_real(real)
    return Readers(segmenters, own, find_unlearnt(real, own, seed))


def find_unlearnt(real: AuditSet, own: Pixels, seed: int) -> dict[Label, str]:
    """Labels that are read in real tiles hardly more often than anywhere, or in too few; and why.

    A label that all but fills the tiles leaves no room between chance and a perfect reading: it
    counts as learnt if another one is.

    Args:
        real: with masks.
        own: what segmenters that did not see a tile's patient read in it, [N, H, W].
        seed: of shuffled masks.
    """
    rng = numpy_generator(seed, "unlearnt")
    right = _large_recalls(real.masks, own)
    shuffled = (real.masks[rng.permutation(len(real))] for _ in range(SHUFFLES))
    by_chance = np.concatenate([_large_recalls(masks, own) for masks in shuffled])
    unlearnt, full = dict[Label, str](), list[Label]()
    for label in Label:
        values = right[:, label][np.isfinite(right[:, label])]
        if len(values) < MIN_JUDGED:
            unlearnt[label] = _FEW if (real.masks == label).any() else _NONE
            continue
        chance = float(np.nanmean(by_chance[:, label]))
        room = 1 - chance
        if room <= MIN_ROOM:
            full.append(label)
        elif float(values.mean()) - chance < MIN_GAIN * room:
            unlearnt[label] = _DULL
    if len(unlearnt) + len(full) == len(Label):
        unlearnt |= dict.fromkeys(full, _FULL)
    return unlearnt


def _large_recalls(masks: Pixels, read: Pixels) -> npt.NDArray[np.float64]:
    """Recalls [N, 4] of labels that cover what counts in agreement; else NaN."""
    return np.where(label_fractions(masks) >= MIN_FRACTION, recalls(masks, read), np.nan)


def refuse_unlearnt(
    figures: Sequence[Figure], unlearnt: Mapping[Label, str], synthetic: AuditSet
) -> list[Figure]:
    """Refuse figures that rest on labels that nobody learnt to read, or on masks all alike.

    Args:
        figures: of all questions; those that no segmenter is behind stay.
        unlearnt: labels, and why: of `find_unlearnt`.
        synthetic: its masks ask for labels.
    """
    covers = label_fractions(synthetic.masks) >= MIN_FRACTION
    asked = [label for label in Label if covers[:, label].sum() >= MIN_JUDGED]
    kept = []
    for figure in figures:
        if labels := _find_blind(figure.name, unlearnt, asked):
            figure = refuse_because(figure, _tell(labels, unlearnt))
        elif figure.name == "agreement" and not figure.ceiling - figure.chance > MIN_ROOM:
            said = (
                f"masks are so alike that shuffled ones agree at {figure.chance:.2f}, and real "
                f"tiles with their own at {figure.ceiling:.2f}"
            )
            figure = refuse_because(figure, said)
        kept.append(figure)
    return kept


def _find_blind(name: str, unlearnt: Mapping[Label, str], asked: Collection[Label]) -> list[Label]:
    """Labels for whose sake a figure says nothing."""
    first, _, rest = name.partition(".")
    if first in POOLED:
        return [label for label in asked if label in unlearnt]
    if first in ("recall", "confusion"):
        return [label for label in unlearnt if label.name in rest.split(">")]
    is_of_all = first == "train-synthetic" or rest == "embedded"
    return list(unlearnt) if is_of_all and len(unlearnt) == len(Label) else []


def _tell(labels: Sequence[Label], unlearnt: Mapping[Label, str]) -> str:
    """Why, in one sentence for the labels of each reason."""
    reasons = dict.fromkeys(unlearnt[label] for label in labels)
    return "; ".join(
        reason.format(", ".join(label.name for label in labels if unlearnt[label] == reason))
        for reason in reasons
    )
