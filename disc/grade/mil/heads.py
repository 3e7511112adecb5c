"""Outputs of slide graders: the paper's four sigmoids, and the two grades in their order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from disc.labels import GRADES, NUM_LABELS, Label, isup_group
from disc.settings.grading import Head

NUM_STEPS = NUM_LABELS - 1
"""Steps up from Non-Cancer to GG5."""
NUM_GROUPS = 6
"""ISUP grade groups 0 (benign) to 5."""


def num_outputs(head: Head) -> int:
    """Logits that a grader with a head gives: 4, and 3 steps for each of the two grades."""
    return NUM_LABELS + (2 * NUM_STEPS if head == "ordinal" else 0)


def slide_loss(
    logits: Tensor, truth: Tensor, grades: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Loss of bags; of an ordinal head the mean of the losses of its two parts.

    Args:
        logits: [B, 4] or [B, 10].
        truth: bits NC, GG3, GG4, GG5, float [B, 4].
        grades: labels of primary and secondary grade, int [B, 2].
        weights: of the four labels, [4].

    Paper: Sec. 2.4 (sigmoids and cross-entropy of the four labels).
    """
    loss = F.binary_cross_entropy_with_logits(logits[:, :NUM_LABELS], truth, weights)
    if logits.shape[1] == NUM_LABELS:
        return loss
    return (loss + ordinal_loss(logits[:, NUM_LABELS:], grades)) / 2


def ordinal_loss(logits: Tensor, grades: Tensor) -> Tensor:
    """Cross-entropy of the steps that a grade is known to have come to.

    Step k asks whether the grade is above label k, of bags whose grade is at least k: conditional
    probabilities, whose products can only fall (CORN, Shi et al., arXiv 2111.08851).

    Args:
        logits: [B, 6], three steps of the primary grade, three of the secondary.
        grades: labels 0 to 3 of both, int [B, 2].
    """
    steps = torch.arange(NUM_STEPS, device=logits.device)
    is_asked = (grades[..., None] >= steps).float()
    is_above = (grades[..., None] > steps).float()
    losses = F.binary_cross_entropy_with_logits(
        logits.view(-1, 2, NUM_STEPS), is_above, reduction="none"
    )
    return (losses * is_asked).mean()


def isup_groups(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The likeliest ISUP grade group of each bag, from the ordinal logits [N, 6]."""
    likeliest: npt.NDArray[np.int64] = isup_shares(logits).argmax(axis=1)
    return likeliest


def isup_shares(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities of the ISUP grade groups 0 to 5, [N, 6], from the ordinal logits [N, 6]."""
    shares: npt.NDArray[np.float64] = score_shares(logits).reshape(len(logits), -1) @ _GROUP_OF_PAIR
    return shares


def score_shares(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities of scores, by labels of primary and secondary grade, [N, 4, 4].

    The two are taken as independent but for the rule that both are benign or none is.

    Args:
        logits: the ordinal ones, [N, 6].
    """
    above = np.cumprod(1 / (1 + np.exp(-logits.reshape(-1, 2, NUM_STEPS))), axis=2)
    # P(grade >= 0..4), then P(grade = 0..3), [N, 2, 4]
    at_least = np.pad(above, ((0, 0), (0, 0), (1, 1)), constant_values=((0, 0), (0, 0), (1, 0)))
    of_grade = at_least[..., :-1] - at_least[..., 1:]
    pairs = of_grade[:, 0, :, None] * of_grade[:, 1, None, :] * _IS_SCORE
    shares: npt.NDArray[np.float64] = pairs / pairs.sum((1, 2), keepdims=True).clip(min=1e-12)
    return shares


def likeliest_score(shares: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Primary and secondary grade: the likeliest score [4, 4] of the likeliest ISUP group."""
    of_group = shares.reshape(-1, 1) * _GROUP_OF_PAIR
    place = int(of_group[:, of_group.sum(0).argmax()].argmax())
    return GRADES[Label(place // NUM_LABELS)], GRADES[Label(place % NUM_LABELS)]


def _group_of_pair() -> npt.NDArray[np.float64]:
    """Which group a (primary, secondary) is in, [16, 6]; pairs that are no score are in none."""
    table = np.zeros((NUM_LABELS, NUM_LABELS, NUM_GROUPS))
    for primary in Label:
        for secondary in Label:
            if (primary == Label.NC) == (secondary == Label.NC):
                group = isup_group(GRADES[primary], GRADES[secondary])
                table[primary, secondary, group] = 1
    return table.reshape(-1, NUM_GROUPS)


_GROUP_OF_PAIR = _group_of_pair()
_IS_SCORE = _GROUP_OF_PAIR.sum(1).reshape(NUM_LABELS, NUM_LABELS)
