"""What slide graders alone say of a slide, from features of tiles in which nobody read labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.grade.bags import Bag
from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.heads import likeliest_score, score_shares
from disc.labels import GRADES, NUM_LABELS, Label, isup_group, label_of_grade
from disc.slides.judging.calibrate import MARGIN, set_heads, whiten
from disc.slides.judging.calibration import Familiar, Floats
from disc.slides.judging.heads import find_group, find_labels, read_heads
from disc.slides.judging.record import CrossCheck, Gleason, Reason, list_present, tell_score
from disc.slides.judging.verdict import Verdict, find_unlike

Said = tuple[Gleason, Mapping[str, CrossCheck]]
"""The score, and the labels with their scores."""
UNKNOWN = Gleason(primary=None, secondary=None, isup=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class SlideCalibration(Familiar):
    """What validation slides told of slide graders.

    Attributes:
        thresholds: of their labels NC to GG5.
        far: median distance of a slide's tiles beyond which it is unlike the training tiles.
    """

    thresholds: tuple[float, float, float, float]
    far: float


def calibrate_slide_graders(
    nets: Sequence[BagGrader], familiar: npt.NDArray[np.float32], bags: Sequence[Bag]
) -> SlideCalibration:
    """Set thresholds, and how far is too far, on validation slides.

    Args:
        nets: slide graders, one a seed.
        familiar: features of training tiles, [n, D].
        bags: of validation slides with known scores.
    """
    mean, whitening = whiten(familiar.astype(np.float64))
    lies = Familiar(mean=mean, whitening=whitening)
    return SlideCalibration(
        mean=mean,
        whitening=whitening,
        thresholds=set_heads(nets, bags),
        far=MARGIN * max(_median_distance(bag.features, lies) for bag in bags),
    )


def judge_features(
    features: npt.NDArray[np.float32], nets: Sequence[BagGrader], calibration: SlideCalibration
) -> Verdict:
    """What graders say of a slide's features [n, D], and reasons to say nothing.

    An ordinal head gives a score. Without one labels do, as far as they can: GG3 and GG4 together
    are 3+4 or 4+3.
    """
    logits = read_heads(features, nets)
    gleason, labels = _score(logits, calibration.thresholds)
    alone = [_score(each[None], calibration.thresholds) for each in logits]
    groups = {f"seed {seed}": said.isup for seed, (said, _) in enumerate(alone)}
    distance = _median_distance(features, calibration)
    reasons = [
        _contradiction(gleason, labels),
        _unstable((gleason, labels), alone),
        find_unlike(distance, calibration.far),
    ]
    return Verdict(
        gleason=gleason,
        abstained=tuple(reason for reason in reasons if reason is not None),
        shares={},
        isup_shares={},
        opinions={name: group for name, group in groups.items() if group is not None},
        cross_check=labels,
        slide_group=find_group(logits),
        distance=distance,
    )


def _score(logits: Floats, thresholds: Sequence[float]) -> Said:
    """The score and the labels by the mean over graders' logits [S, outputs]."""
    labels = find_labels(logits, thresholds)
    if logits.shape[1] == NUM_LABELS:
        return score_labels([label for label in Label if labels[label.name].is_present]), labels
    primary, secondary = likeliest_score(score_shares(logits[:, NUM_LABELS:]).mean(0))
    isup = isup_group(primary, secondary)
    return Gleason(primary=primary, secondary=secondary, isup=isup), labels


def score_labels(present: Sequence[Label]) -> Gleason:
    """The score of a slide from the labels of its primary and secondary grade, without an order.

    >>> score_labels([Label.GG4, Label.GG5])
    Gleason(primary=None, secondary=None, isup=5)
    """
    grades = [GRADES[label] for label in present]
    match grades:
        case [grade]:
            return Gleason(primary=grade, secondary=grade, isup=isup_group(grade, grade))
        case [first, second] if first:
            groups = {isup_group(first, second), isup_group(second, first)}
            isup = groups.pop() if len(groups) == 1 else None
            return Gleason(primary=None, secondary=None, isup=isup)
    return UNKNOWN


def _median_distance(features: npt.NDArray[np.float32], familiar: Familiar) -> float:
    return float(np.median(familiar.distances(features.astype(np.float64))))


def _contradiction(gleason: Gleason, labels: Mapping[str, CrossCheck]) -> Reason | None:
    """Whether labels make no score, or contradict that of an ordinal head."""
    present = list_present(labels)
    seen = ", ".join(present) or "none"
    if gleason.primary is not None:
        name = label_of_grade(gleason.primary).name
        is_benign_too = Label.NC.name in present and len(present) > 1
        if name in present and not is_benign_too:
            return None
        text = f"labels that reach their thresholds: {seen}; the ordinal head's primary is {name}"
        return Reason(code="disagreement", text=text)
    if len(present) == 2 and Label.NC.name not in present:
        return None
    return Reason(code="unclear", text=f"labels that reach their thresholds: {seen}; no score")


def _unstable(said: Said, alone: Sequence[Said]) -> Reason | None:
    """Whether another training of the graders says another ISUP group, or other labels."""

    def outcome(each: Said) -> object:
        gleason, labels = each
        return gleason.isup if gleason.primary is not None else list_present(labels)

    if all(outcome(each) == outcome(said) for each in alone):
        return None
    listed = "; ".join(tell_score(*each) for each in alone)
    return Reason(code="unstable", text=f"trained graders do not say the same: {listed}")
