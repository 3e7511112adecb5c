"""Loss of the pixel grader: focal cross-entropy and soft Dice, blind to unknown pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from disc.labels import IGNORE, NUM_LABELS, Label

MAX_WEIGHT = 4.0


Sum = Callable[[Tensor], Tensor]
"""Sums a tensor over the parts of a batch."""


def pixel_loss(
    logits: Tensor,
    masks: Tensor,
    label_weights: Tensor | None = None,
    gamma: float = 2.0,
    sum_all: Sum | None = None,
) -> Tensor:
    """Focal loss + soft Dice loss; 0 where no pixel has a known label.

    Args:
        logits: float [B, L, H, W]; of 3 labels, GG4 and GG5 are one.
        masks: uint8 [B, H, W], of four labels; 255 is left out.
        label_weights: of the focal loss, float [L].
        gamma: how much the focal loss turns to hard pixels; 0: plain cross-entropy.
        sum_all: sums over the parts of a batch that processes share: both losses are ratios of
            sums over its pixels, and no means over samples; None: there are no parts.

    The paper names the network and not its loss; these two are its public implementation's.

    >>> masks = torch.zeros(1, 1, 1, dtype=torch.uint8)
    >>> round(pixel_loss(torch.zeros(1, 4, 1, 1), masks).item(), 4)
    1.3798

    Paper: Sec. 2.4 (pixel-level grader).
    """
    truth = merge_grades(masks.long(), logits.shape[1])
    sum_all = sum_all or _keep
    focal = focal_loss(logits, truth, label_weights, gamma, sum_all)
    return focal + dice_loss(logits, truth, sum_all)


def merge_grades(masks: Tensor, num_labels: int) -> Tensor:
    """Masks as a grader of so many labels has them: of three, GG5 is GG4; 255 stays.

    >>> merge_grades(torch.tensor([1, 2, 3, 255]), 3).tolist()
    [1, 2, 2, 255]
    """
    if num_labels == NUM_LABELS:
        return masks
    return torch.where(masks == Label.GG5, int(Label.GG4), masks)


def _keep(sums: Tensor) -> Tensor:
    return sums


def focal_loss(
    logits: Tensor,
    truth: Tensor,
    label_weights: Tensor | None,
    gamma: float,
    sum_all: Sum = _keep,
) -> Tensor:
    """Cross-entropy times (1 - probability of the truth)^gamma, averaged by weight.

    >>> truth = torch.zeros(1, 1, 1, dtype=torch.long)
    >>> round(focal_loss(torch.zeros(1, 4, 1, 1), truth, None, gamma=2).item(), 4)
    0.7798
    """
    # -log p of the true label at every pixel, [B, H, W]; 0 where it is not known
    entropy = F.cross_entropy(logits, truth, ignore_index=IGNORE, reduction="none")
    is_known = (truth != IGNORE).to(logits.dtype)
    weights = is_known
    if label_weights is not None:
        weights = is_known * label_weights[truth.clamp(max=len(label_weights) - 1)]
    # focal: (1 - p)^gamma * -log p, [B, H, W]
    focused = entropy * (1 - torch.exp(-entropy)).clamp(min=1e-6) ** gamma if gamma else entropy
    return sum_all((weights * focused).sum()) / sum_all(weights.sum()).clamp(min=1e-6)


def dice_loss(logits: Tensor, truth: Tensor, sum_all: Sum = _keep) -> Tensor:
    """1 - soft Dice over the pixels of the batch, averaged over the labels present in it.

    Differs from paper: the network's public implementation leaves Non-Cancer out; here
    cancer predicted in stroma should cost, and labels absent from a batch have no Dice.

    >>> truth = torch.zeros(1, 1, 1, dtype=torch.long)
    >>> round(dice_loss(torch.zeros(1, 4, 1, 1), truth).item(), 2)
    0.6
    """
    is_known = truth != IGNORE
    num_labels = logits.shape[1]
    one_hot = F.one_hot(truth.clamp(max=num_labels - 1), num_labels).movedim(-1, 1)
    target = (one_hot * is_known.unsqueeze(1)).to(logits.dtype)
    predicted = logits.softmax(1) * is_known.unsqueeze(1)
    # Dice of a label: 2 |T P| / (|T| + |P|), sums over B, H, W, [L]
    parts = (target * predicted, target + predicted, target)
    overlap, total, present = sum_all(torch.stack([part.sum((0, 2, 3)) for part in parts]))
    is_present = present > 0
    losses = (1 - 2 * overlap / total.clamp(min=1e-6)) * is_present
    loss: Tensor = losses.sum() / is_present.sum().clamp(min=1)
    return loss


def balance_labels(fractions: Sequence[float]) -> Tensor:
    """Weights of the labels for the focal loss: 1 / sqrt(fraction), at most 4, averaging 1 a pixel.

    Args:
        fractions: of each label in the pixels shown, [L], adding up to 1.

    >>> [round(weight, 2) for weight in balance_labels([0.64, 0.16, 0.16, 0.04]).tolist()]
    [0.69, 1.39, 1.39, 2.78]
    """
    fraction = torch.tensor(fractions, dtype=torch.float32)
    weights = fraction.clamp(min=1e-6).rsqrt()
    weights = weights / (fraction * weights).sum().clamp(min=1e-6)
    return weights.clamp(max=MAX_WEIGHT)
