"""TransMIL: reads the Gleason grades of a slide from the features of its tiles."""

from __future__ import annotations

from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from disc.grade.mil.bag_grader import BagGrader, share_out
from disc.grade.mil.heads import num_outputs
from disc.settings.grading import TransMIL as TransMILSettings

KERNELS = (7, 5, 3)
"""Sides of the position encoder's convolutions."""


class TransMIL(BagGrader):
    """Two attention layers with a position encoder in between; one sigmoid a label.

    Paper: Sec. 2.4 (slide-level grader, ref. 34, with sigmoids in place of the softmax).
    Differs from paper: attention is exact, sees only tiles, and has no convolution over values
    (`res_conv`). The Nystrom attention of the original lets small bags attend to padding, by a
    fraction that depends on the bag's size, and real and synthetic bags differ in size.
    """

    def __init__(self, settings: TransMILSettings, num_features: int) -> None:
        """Build it with random weights for features of a given length."""
        super().__init__(num_features)
        self.enter = nn.Sequential(nn.Linear(num_features, settings.width), nn.ReLU())
        self.slide_token = nn.Parameter(torch.randn(1, 1, settings.width))
        self.first = Attention(settings)
        self.positions = Positions(settings.width)
        self.second = Attention(settings)
        self.norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, num_outputs(settings.head))

    def forward(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """Logits [B, outputs] of bags laid out on grids.

        Args:
            features: [B, S * S, D].
            is_tile: which places of the grid hold a tile, bool [B, S * S].
        """
        tokens, is_token = self._read(features, is_tile)
        # the head reads the slide token alone, so no other need look
        slide = self.second(tokens, is_token, lookers=1)
        logits: Tensor = self.head(self.norm(slide[:, 0]))
        return logits

    def attend(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """How much each tile counts, [B, S * S]: the slide token's attention in the last layer."""
        weights = self.second.look(*self._read(features, is_tile))
        return share_out(weights[:, 1:], is_tile)

    def _read(self, features: Tensor, is_tile: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens before the last layer, [B, 1 + S * S, C], and which of them there are."""
        tiles = self.enter(self.standardise(features))
        tokens = torch.cat([self.slide_token.expand(len(tiles), 1, -1), tiles], 1)
        is_token = F.pad(is_tile, (1, 0), value=True)
        tokens = self.first(tokens, is_token)
        return torch.cat([tokens[:, :1], self.positions(tokens[:, 1:], is_tile)], 1), is_token


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

    def forward(self, tokens: Tensor, is_token: Tensor, lookers: int | None = None) -> Tensor:
        """Tokens [B, L, C] that looked at those marked in bool [B, L]; the first N; None: all."""
        query, key, value = self._split(tokens)
        marked = is_token[:, None, None]
        seen = F.scaled_dot_product_attention(query[:, :, :lookers], key, value, attn_mask=marked)
        change: Tensor = self.join(seen.transpose(1, 2).flatten(2))
        return tokens[:, :lookers] + change

    def look(self, tokens: Tensor, is_token: Tensor) -> Tensor:
        """How much the first token looks at each, mean over heads, [B, L]."""
        query, key, _ = self._split(tokens)
        scores = query[:, :, :1] @ key.transpose(2, 3) * query.shape[-1] ** -0.5
        weights: Tensor = scores.masked_fill(~is_token[:, None, None], -torch.inf).softmax(-1)
        return weights[:, :, 0].mean(1)

    def _split(self, tokens: Tensor) -> Tensor:
        """Queries, keys and values, [3, B, heads, L, C / heads]."""
        count, length, width = tokens.shape
        split: Tensor = self.split(self.norm(tokens)).view(
            count, length, 3, self.heads, width // self.heads
        )
        return split.permute(2, 0, 3, 1, 4)


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
