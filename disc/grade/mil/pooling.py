"""Plain graders of bags: gated attention pooling (ABMIL) and the mean over tiles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from disc.grade.mil.bag_grader import BagGrader, share_out
from disc.grade.mil.heads import num_outputs
from disc.settings.grading import TransMIL as Settings


class MeanPool(BagGrader):
    """Tiles through one layer, their mean, one linear head: the least that reads a bag."""

    def __init__(self, settings: Settings, num_features: int) -> None:
        """Build it with random weights for features of a given length."""
        super().__init__(num_features)
        self.enter = nn.Sequential(nn.Linear(num_features, settings.width), nn.ReLU())
        self.drop = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.width, num_outputs(settings.head))

    def forward(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """Logits [B, outputs] of bags on grids."""
        tiles = self.enter(self.standardise(features))
        weights = self.weigh(tiles, is_tile)
        logits: Tensor = self.head(self.drop((weights[..., None] * tiles).sum(1)))
        return logits

    def attend(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """How much each tile counts, [B, S * S]."""
        return self.weigh(self.enter(self.standardise(features)), is_tile)

    def weigh(self, tiles: Tensor, is_tile: Tensor) -> Tensor:
        """The same for every tile, [B, S * S]."""
        return share_out(torch.ones_like(tiles[..., 0]), is_tile)


class AttentionPool(MeanPool):
    """Gated attention pooling: Ilse et al., Attention-based deep MIL, 2018."""

    def __init__(self, settings: Settings, num_features: int) -> None:
        """Build it with random weights for features of a given length."""
        super().__init__(settings, num_features)
        self.value = nn.Sequential(nn.Linear(settings.width, settings.width), nn.Tanh())
        self.gate = nn.Sequential(nn.Linear(settings.width, settings.width), nn.Sigmoid())
        self.score = nn.Linear(settings.width, 1)

    def weigh(self, tiles: Tensor, is_tile: Tensor) -> Tensor:
        """Softmax over the tiles there are, [B, S * S]."""
        scores = self.score(self.value(tiles) * self.gate(tiles))[..., 0]
        weights: Tensor = scores.masked_fill(~is_tile, -torch.inf).softmax(1)
        return weights
