"""What every grader of bags shares: features standardised, logits, and attention per tile."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn


class BagGrader(nn.Module):
    """A network from the features of a bag's tiles to the logits of its slide.

    What it says of a bag depends neither on padding nor on the other bags of a batch.

    Differs from paper: features are standardised by the training bags' mean and standard
    deviation; the official code of TransMIL feeds them as they are.

    Attributes:
        mean: of the training bags' features, [D]; 0 until `standardise_by`.
        std: of the training bags' features, [D]; 1 until `standardise_by`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_features: int) -> None:
        """Standardise by nothing yet."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))

    @abstractmethod
    def forward(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """Logits [B, outputs] of bags laid out on grids.

        Args:
            features: [B, S * S, D].
            is_tile: which places of the grid hold a tile, bool [B, S * S].
        """

    @abstractmethod
    def attend(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """How much each tile counts for the slide, [B, S * S]; adds up to 1 over a bag's tiles."""

    def standardise(self, features: Tensor) -> Tensor:
        """Features by mean and standard deviation of the training bags."""
        return (features - self.mean) / self.std

    def standardise_by(self, features: Tensor) -> None:
        """Take mean and standard deviation of features [N, D] as those to standardise by."""
        self.mean.copy_(features.mean(0))
        self.std.copy_(features.std(0).clamp(min=1e-3))


def share_out(weights: Tensor, is_tile: Tensor) -> Tensor:
    """Weights [B, L] as shares of a whole per bag, 0 where there is no tile."""
    kept = weights.clamp(min=0) * is_tile
    return kept / kept.sum(1, keepdim=True).clamp(min=1e-12)
