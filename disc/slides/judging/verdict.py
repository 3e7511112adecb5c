"""What is said of a slide, how sure that is, and why nothing is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from disc.grade.mil.bag_grader import BagGrader
from disc.labels import NUM_LABELS, Label, label_of_grade
from disc.seeds import numpy_generator
from disc.slides.judging.calibration import Calibration
from disc.slides.judging.foci import find_overlooked
from disc.slides.judging.heads import find_group, find_labels, read_heads
from disc.slides.judging.record import CrossCheck, Gleason, Reason, Share, SlideGroup
from disc.slides.judging.rules import Score, score_areas

Floats = npt.NDArray[np.float64]
DRAWS = 1000
MIN_TISSUE_MM2 = 0.25
LEVEL = 0.95
MAX_GROUPS_APART = 1
"""Between the map's ISUP grade group and that of the slide graders' ordinal head."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What was read of a slide.

    Attributes:
        areas: of NC to GG5 on the map, [4], in mm² (of features: tiles).
        blocks: the same by each network in each block of tissue, [M, B, 4].
        opinions: names of the networks, M.
        num_seeds: how many of these, the first, are seeds of the pixel grader.
        features: of the windows in the bag, float32 [n, D].
        distances: of windows to the training tiles, [n].
        has_areas: whether areas are in mm².
        focus_mm2: the largest connected region of the map of which graders are sure that it is
            cancer; None: there is no map.
    """

    areas: Floats
    blocks: Floats
    opinions: Sequence[str]
    num_seeds: int
    features: npt.NDArray[np.float32]
    distances: Floats
    has_areas: bool = True
    focus_mm2: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What follows from the evidence; fields as in `grade.json`."""

    gleason: Gleason
    abstained: tuple[Reason, ...]
    shares: Mapping[str, Share]
    isup_shares: Mapping[str, float]
    opinions: Mapping[str, int]
    cross_check: Mapping[str, CrossCheck]
    slide_group: SlideGroup | None
    distance: float | None

    @property
    def codes(self) -> str:
        """Codes of the reasons why nothing is said; "": it was graded."""
        return ", ".join(reason.code for reason in self.abstained)


def judge(evidence: Evidence, calibration: Calibration, heads: Sequence[BagGrader]) -> Verdict:
    """Score, intervals, cross-check and reasons to say nothing."""
    score = score_areas(evidence.areas.tolist(), calibration.floors)
    of_networks = evidence.blocks.sum(1)
    groups = [score_areas(areas.tolist(), calibration.floors).isup for areas in of_networks]
    opinions = dict(zip(evidence.opinions, groups, strict=True))
    cross_check, slide_group = dict[str, CrossCheck](), None
    if heads and len(evidence.features):
        logits = read_heads(evidence.features, heads)
        cross_check, slide_group = find_labels(logits, calibration.heads), find_group(logits)
    low, high, isup_shares = _resample(evidence.blocks, calibration)
    total = max(float(evidence.areas.sum()), 1e-12)
    distance = float(np.median(evidence.distances)) if len(evidence.distances) else None
    shares = {
        label.name: Share(
            fraction=round(float(evidence.areas[label]) / total, 6),
            low=_rounded(low[label]),
            high=_rounded(high[label]),
            mm2=round(float(evidence.areas[label]), 6) if evidence.has_areas else None,
        )
        for label in Label
    }
    reasons = [
        _too_little(evidence),
        find_overlooked(score, evidence.areas, evidence.focus_mm2, calibration),
        _disagreement("map" if evidence.has_areas else "tiles", score, cross_check, slide_group),
        _unstable(score, groups, evidence.num_seeds),
        find_unlike(distance, calibration.far),
    ]
    return Verdict(
        gleason=Gleason(primary=score.primary, secondary=score.secondary, isup=score.isup),
        abstained=tuple(reason for reason in reasons if reason is not None),
        shares=shares,
        isup_shares=isup_shares,
        opinions=opinions,
        cross_check=cross_check,
        slide_group=slide_group,
        distance=distance,
    )


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _resample(blocks: Floats, calibration: Calibration) -> tuple[Floats, Floats, dict[str, float]]:
    """Intervals of shares, and how often each group comes up, over networks and blocks of tissue.

    Each draw takes one network, and as many blocks as there are with replacement.
    """
    num_networks, num_blocks, _ = blocks.shape
    if num_blocks < 2:  # draws of one block are that block
        nothing = np.full(NUM_LABELS, np.nan)
        return nothing, nothing, {}
    rng = numpy_generator(0, "slide", num_blocks)
    counts = rng.multinomial(num_blocks, np.full(num_blocks, 1 / num_blocks), size=DRAWS)
    networks = rng.integers(num_networks, size=DRAWS)
    areas = np.einsum("db,dbk->dk", counts, blocks[networks])
    groups = Counter(score_areas(each.tolist(), calibration.floors).isup for each in areas)
    shares = areas / np.maximum(areas.sum(1, keepdims=True), 1e-12)
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high, {str(group): count / DRAWS for group, count in sorted(groups.items())}


def _too_little(evidence: Evidence) -> Reason | None:
    area = float(evidence.areas.sum())
    if not evidence.has_areas or area >= MIN_TISSUE_MM2:
        return None
    text = f"too little tissue ({area:.2f} mm², expected {MIN_TISSUE_MM2} or more)"
    return Reason(code="too-little-tissue", text=text)


def _disagreement(
    source: str,
    score: Score,
    cross_check: Mapping[str, CrossCheck],
    slide_group: SlideGroup | None,
) -> Reason | None:
    """Whether the slide graders do not see the primary pattern, or a group that is far off."""
    primary, said = label_of_grade(score.primary), []
    seen = cross_check.get(primary.name)
    if seen is not None and not seen.is_present:
        present = [name for name, each in cross_check.items() if each.is_present]
        said.append(
            f"by the {source} the primary pattern is {primary.name}, the slide grader sees "
            f"{', '.join(present) or 'no label'}"
        )
    if slide_group is not None and abs(slide_group.group - score.isup) > MAX_GROUPS_APART:
        said.append(
            f"by the {source} it is ISUP {score.isup}, by the slide grader's ordinal head ISUP "
            f"{slide_group.group}"
        )
    if not said:
        return None
    return Reason(
        code="disagreement", text=f"{source} and slide grader disagree: {'; '.join(said)}"
    )


def _unstable(score: Score, groups: Sequence[int], num_seeds: int) -> Reason | None:
    """Whether seeds of the pixel grader differ; of one seed, whether most networks differ from it.

    The encoder's networks saw half of the training slides each, so that one of them may be wrong.
    """
    if num_seeds > 1:
        found = groups[:num_seeds]
        is_stable = set(found) == {score.isup}
    else:
        found = groups
        is_stable = 2 * sum(group == score.isup for group in found) > len(found)
    if is_stable:
        return None
    listed = ", ".join(map(str, found))
    text = f"the ISUP group changes between trained networks: {listed}"
    return Reason(code="unstable", text=text)


def find_unlike(distance: float | None, far: float) -> Reason | None:
    """Whether a slide's distance to the training tiles is more than validation slides allow."""
    if distance is None or distance <= far:
        return None
    text = (
        f"unlike anything trained on: distance {distance:.2f} to the training tiles, validation "
        f"slides allow {far:.2f}"
    )
    return Reason(code="unlike-training", text=text)
