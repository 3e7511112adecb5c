"""TransMIL: reads the Gleason grades of a slide from the features of its tiles."""

from __future__ import annotations

from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from disc.labels import NUM_LABELS
from disc.settings.grading import TransMIL as TransMILSettings

KERNELS = (7, 5, 3)
"""Sides of the position encoder's convolutions."""


class TransMIL(nn.Module):
    """Two attention layers with a position encoder in between; one sigmoid a label.

    Attributes:
        mean: of the training bags' features, [D].
        std: of the training bags' features, [D].

    Paper: Sec. 2.4 (slide-level grader, ref. 34, with sigmoids in place of the softmax).
    Differs from paper: attention is exact and sees only tiles. The Nystrom attention of the
    original lets small bags attend to padding, by a fraction that depends on the bag's size, and
    real and synthetic bags differ in size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: TransMILSettings, num_features: int) -> None:
        """Build it with random weights for features of a given length."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))
        self.enter = nn.Sequential(nn.Linear(num_features, settings.width), nn.ReLU())
        self.slide_token = nn.Parameter(torch.randn(1, 1, settings.width))
        self.first = Attention(settings)
        self.positions = Positions(settings.width)
        self.second = Attention(settings)
        self.norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, NUM_LABELS)

    def forward(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """Logits [B, 4] of bags laid out on grids.

        Args:
            features: [B, S * S, D].
            is_tile: which places of the grid hold a tile, bool [B, S * S].
        """
        tiles = self.enter((features - self.mean) / self.std)
        tokens = torch.cat([self.slide_token.expand(len(tiles), 1, -1), tiles], 1)
        is_token = F.pad(is_tile, (1, 0), value=True)
        tokens = self.first(tokens, is_token)
        tokens = torch.cat([tokens[:, :1], self.positions(tokens[:, 1:], is_tile)], 1)
        tokens = self.second(tokens, is_token)
        logits: Tensor = self.head(self.norm(tokens[:, 0]))
        return logits

    def standardise_by(self, features: Tensor) -> None:
        """Take mean and standard deviation of features [N, D] as those to standardise by."""
        self.mean.copy_(features.mean(0))
        self.std.copy_(features.std(0).clamp(min=1e-3))


class Attention(nn.Module):
    """Softmax attention over the tokens there are, added to its input."""

    def __init__(self, settings: TransMILSettings) -> None:
        """Keep the width."""
        super().__init__()
        self.heads = settings.heads
        self.norm = nn.LayerNorm(settings.width)
        self.split = nn.Linear(settings.width, 3 * settings.width, bias=False)
        self.join = nn.Sequential(
            nn.Linear(settings.width, settings.width), nn.Dropout(settings.dropout)
        )

    def forward(self, tokens: Tensor, is_token: Tensor) -> Tensor:
        """Tokens [B, L, C] that looked at the tokens marked in bool [B, L]."""
        count, length, width = tokens.shape
        split = self.split(self.norm(tokens)).view(
            count, length, 3, self.heads, width // self.heads
        )
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=is_token[:, None, None])
        change: Tensor = self.join(seen.transpose(1, 2).flatten(2))
        return tokens + change


class Positions(nn.Module):
    """Convolutions over the grid of tiles, one filter a channel: where a tile lies (PPEG)."""

    def __init__(self, width: int) -> None:
        """Keep the width."""
        super().__init__()
        self.filters = nn.ModuleList(
            nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width) for kernel in KERNELS
        )

    def forward(self, tiles: Tensor, is_tile: Tensor) -> Tensor:
        """Tiles [B, S * S, C] that know their neighbours; empty places stay empty."""
        tiles = tiles * is_tile[..., None]
        side = isqrt(tiles.shape[1])
        grid = tiles.transpose(1, 2).reshape(len(tiles), -1, side, side)
        encoded = torch.stack([grid, *(each(grid) for each in self.filters)]).sum(0)
        return encoded.flatten(2).transpose(1, 2) * is_tile[..., None]
