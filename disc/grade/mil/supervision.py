"""How Mixed Supervision learns: instances hidden at random, and two losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from disc.grade.bags import Bag
from disc.grade.mil.heads import slide_loss
from disc.labels import IGNORE, NUM_LABELS
from disc.train.checkpoint import State
from disc.train.loop import Batch

KEPT = 0.5
"""Fraction of a bag's instances that a training step sees."""
MIN_KEPT = 2
"""Instances that it sees at least."""


class MixedLoss:
    """Half the slide's loss and half that of the instances, rare labels weighing more.

    Weights are the inverse logarithms of how often a label occurs in real training bags, with
    mean 1.
    """

    def __init__(self, bags: Sequence[Bag]) -> None:
        """Count the labels of training bags and of their instances."""
        slides = np.array([bag.truth for bag in bags]).sum(axis=0)
        known = [bag.labels[bag.labels < NUM_LABELS] for bag in bags if bag.labels is not None]
        instances = np.bincount(np.concatenate([*known, []]).astype(int), minlength=NUM_LABELS)
        self.slide_weights = _inverse_log(slides)
        self.instance_weights = _inverse_log(instances)

    def __call__(self, state: State, batch: Batch, name: str, generator: torch.Generator) -> Tensor:
        """Loss of the bags called `name` of a batch.

        The generator hides the instances of the whole batch before this process takes its part.
        """
        features, is_tile = batch[f"{name}_features"], batch[f"{name}_is_tile"]
        keys = state.share.take(
            torch.rand(len(is_tile) * state.share.count, is_tile.shape[1], generator=generator)
        ).to(features.device)
        kept = keep_some(is_tile, keys)
        logits = state.model(features, kept, batch[f"{name}_places"], all_tokens=True)
        slides = slide_loss(
            logits[:, 0],
            batch[f"{name}_truth"],
            batch[f"{name}_grades"],
            self.slide_weights.to(features),
        )
        labels = batch[f"{name}_labels"].masked_fill(~kept, IGNORE)
        weights = self.instance_weights.to(features)
        return (slides + instance_loss(logits[:, 1:, :NUM_LABELS], labels, weights)) / 2


def keep_some(is_tile: Tensor, keys: Tensor) -> Tensor:
    """Half of each bag's instances, and 2 at least: those with the largest keys, bool [B, L]."""
    counts = (KEPT * is_tile.sum(1)).ceil().clamp(min=MIN_KEPT)
    ranks = (keys.masked_fill(~is_tile, -1)).argsort(1, descending=True).argsort(1)
    return is_tile & (ranks < counts[:, None])


def instance_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy, mean over a bag's labelled instances, then over bags.

    Args:
        logits: [B, L, 4].
        labels: 0 to 3; 255 where unknown or hidden, int [B, L].
        weights: of the labels, [4].
    """
    losses = F.cross_entropy(
        logits.transpose(1, 2), labels, weights, ignore_index=IGNORE, reduction="none"
    )
    counts = (labels != IGNORE).sum(1)
    return (losses.sum(1) / counts.clamp(min=1)).mean()


def _inverse_log(counts: npt.NDArray[np.int64]) -> Tensor:
    weights = 1 / torch.log(2 + torch.from_numpy(counts).float())
    return weights / weights.mean()
