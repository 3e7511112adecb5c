"""TransMIL as its official code runs it: Nystrom attention, one bag at a time."""

from __future__ import annotations

from math import ceil
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from disc.grade.mil.bag_grader import BagGrader, share_out
from disc.grade.mil.heads import num_outputs
from disc.grade.transmil import Positions
from disc.settings.grading import TransMIL as Settings

Mode = Literal["nystrom", "nystrom-0.0.9"]
NEIGHBOURS = 33
"""Tokens that the convolution over values sees (`res_conv`)."""
PINV_STEPS = 6
"""Iterations of the pseudo-inverse."""


class NystromTransMIL(BagGrader):
    """TransMIL with the attention of the package nystrom-attention, for comparison.

    "nystrom" is the package's current behaviour, "nystrom-0.0.9" that of the version which the
    official code pins: it pads bags on the left and cuts the result on the right, so a token is
    given another one's row, and in bags of less than a landmark each all rows are one vector.

    Differs from paper: the pseudo-inverse is scaled by each bag's own maximum; the package takes
    one over the whole batch, and the official code has batches of one bag.
    """

    def __init__(
        self, settings: Settings, num_features: int, mode: Mode, outputs: int | None = None
    ) -> None:
        """Build it with random weights; `outputs` is the head's unless given."""
        super().__init__(num_features)
        self.enter = nn.Sequential(nn.Linear(num_features, settings.width), nn.ReLU())
        self.slide_token = nn.Parameter(torch.randn(1, 1, settings.width))
        self.first = NystromAttention(settings, mode)
        self.positions = Positions(settings.width)
        self.second = NystromAttention(settings, mode)
        self.norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, outputs or num_outputs(settings.head))

    def forward(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """Logits [B, outputs] of bags on grids, each read alone."""
        tokens = [
            self.second(self._read(bag[kept]))[0]
            for bag, kept in zip(features, is_tile, strict=True)
        ]
        logits: Tensor = self.head(self.norm(torch.stack(tokens)))
        return logits

    def attend(self, features: Tensor, is_tile: Tensor) -> Tensor:
        """How much each tile counts, [B, S * S]: of the second layer, repeats added up."""
        weights = torch.zeros(is_tile.shape, device=features.device)
        for row, (bag, kept) in enumerate(zip(features, is_tile, strict=True)):
            count = int(kept.sum())
            of_tokens = self.second.look(self._read(bag[kept]))[1:].clamp(min=0)
            of_tiles = of_tokens[:count].clone()
            of_tiles[: len(of_tokens) - count] += of_tokens[count:]
            weights[row, kept] = of_tiles
        return share_out(weights, is_tile)

    def _read(self, features: Tensor) -> Tensor:
        """Tokens [L, C] of one bag before the second layer: its first tiles fill up the square."""
        tiles = self.enter(self.standardise(features))
        side = ceil(len(tiles) ** 0.5)
        tiles = torch.cat([tiles, tiles[: side**2 - len(tiles)]])
        tokens = self.first(torch.cat([self.slide_token[0], tiles]))
        everywhere = torch.ones(1, side**2, dtype=torch.bool, device=tokens.device)
        placed = self.positions(tokens[None, 1:], everywhere)[0]
        return torch.cat([tokens[:1], placed])


class NystromAttention(nn.Module):
    """Attention through landmarks, added to its input: tokens [L, C] of one bag."""

    def __init__(self, settings: Settings, mode: Mode) -> None:
        """Keep the width; half as many landmarks as it has channels."""
        super().__init__()
        self.heads, self.landmarks = settings.heads, settings.width // 2
        self.is_pinned = mode == "nystrom-0.0.9"
        self.norm = nn.LayerNorm(settings.width)
        self.split = nn.Linear(settings.width, 3 * settings.width, bias=False)
        self.join = nn.Sequential(
            nn.Linear(settings.width, settings.width), nn.Dropout(settings.dropout)
        )
        size, padding = (NEIGHBOURS, 1), (NEIGHBOURS // 2, 0)
        self.near = nn.Conv2d(
            self.heads, self.heads, size, padding=padding, groups=self.heads, bias=False
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [L, C] that looked at each other and at the padding."""
        return tokens + self.change(tokens)

    def change(self, tokens: Tensor) -> Tensor:
        """What is added to the tokens, [L, C]."""
        query, key, value = self._split(tokens)
        to_marks, between, from_marks = self._weigh(query, key, len(tokens))
        seen = to_marks @ pseudo_inverse(between) @ (from_marks @ value)
        seen = seen + self.near(value[None])[0]
        changed = self.join(seen.transpose(0, 1).flatten(1))
        start = self._start(len(tokens))
        kept: Tensor = changed[start : start + len(tokens)]
        return kept

    def look(self, tokens: Tensor) -> Tensor:
        """How much the slide token looked at each token, mean over heads, [L]."""
        query, key, _ = self._split(tokens)
        to_marks, between, from_marks = self._weigh(query, key, len(tokens))
        row = self._start(len(tokens))
        weights = to_marks[:, row : row + 1] @ pseudo_inverse(between) @ from_marks
        return weights.mean(0)[0, -len(tokens) :]

    def _start(self, length: int) -> int:
        """Row of the padded result that the first token is given."""
        return 0 if self.is_pinned else -length % self.landmarks

    def _split(self, tokens: Tensor) -> Tensor:
        """Queries, keys and values of the tokens after the padding, [3, heads, L', C / heads]."""
        padded = F.pad(self.norm(tokens), (0, 0, -len(tokens) % self.landmarks, 0))
        length, width = padded.shape
        split: Tensor = self.split(padded).view(length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(1, 2, 0, 3)
        return torch.stack([query * (width // self.heads) ** -0.5, key, value])

    def _weigh(self, query: Tensor, key: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """Softmaxes of tokens on landmarks, landmarks on landmarks, landmarks on tokens."""
        each = ceil(length / self.landmarks)
        marks = [part.reshape(self.heads, -1, each, part.shape[2]).mean(2) for part in (query, key)]
        pairs = ((query, marks[1]), (marks[0], marks[1]), (marks[0], key))
        to_marks, between, from_marks = (
            (left @ right.transpose(1, 2)).softmax(-1) for left, right in pairs
        )
        return to_marks, between, from_marks


def pseudo_inverse(matrix: Tensor) -> Tensor:
    """Moore-Penrose inverse of matrices [heads, M, M] by six iterations of third order."""
    size = matrix.abs()
    inverse = matrix.transpose(1, 2) / (size.sum(2).max() * size.sum(1).max())
    one = torch.eye(matrix.shape[-1], device=matrix.device, dtype=matrix.dtype)
    for _ in range(PINV_STEPS):
        product = matrix @ inverse
        inner = 15 * one - product @ (7 * one - product)
        inverse = 0.25 * inverse @ (13 * one - product @ inner)
    return inverse
