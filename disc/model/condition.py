"""How a mask enters the denoiser: as tokens for cross-attention, and as one-hot input channels."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from disc.labels import IGNORE, NUM_LABELS

CLASSES = NUM_LABELS + 1
"""The labels, and one more for pixels whose label is unknown."""
LATENT_FACTOR = 4


class Condition(NamedTuple):
    """A mask as the U-Net takes it.

    Attributes:
        tokens: [B, N, context].
        planes: [B, 5, h, w] shares of each class in a latent pixel; None for `crossattn`.
    """

    tokens: torch.Tensor
    planes: torch.Tensor | None


def one_hot(masks: torch.Tensor) -> torch.Tensor:
    """Masks uint8 [B, H, W] (0..3, 255) as float planes [B, 5, H, W]."""
    classes = torch.where(masks == IGNORE, NUM_LABELS, masks.long())
    return functional.one_hot(classes, CLASSES).movedim(-1, 1).float()


def grid_positions(rows: int, columns: int, channels: int) -> torch.Tensor:
    """2-D sine-cosine positions [rows * columns, channels]; channels divisible by 4."""
    rates = torch.exp(-math.log(10000.0) * torch.arange(channels // 4) / (channels // 4))
    axes = [torch.arange(size)[:, None] * rates for size in (rows, columns)]
    row, column = (torch.cat([axis.sin(), axis.cos()], dim=1) for axis in axes)
    grid = torch.cat(
        [row[:, None].expand(-1, columns, -1), column[None].expand(rows, -1, -1)], dim=-1
    )
    return grid.reshape(rows * columns, channels)


class MaskEncoder(nn.Module):
    """tau: convolutions that turn a mask into tokens, one for every `stride` pixels.

    Paper: Sec. 2.1 (convolutional tau, cross-attention). The paper gives no sizes.
    """

    def __init__(self, *, context: int, stride: int, with_planes: bool) -> None:
        """Build the convolutions for a stride that is a power of two."""
        super().__init__()
        self.with_planes = with_planes
        widths = [CLASSES, *(min(context, 16 * 2**i) for i in range(int(math.log2(stride))))]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.SiLU()]
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(widths[-1], context, 1))
        self.norm = nn.LayerNorm(context)

    def forward(self, masks: torch.Tensor) -> Condition:
        """Encode masks uint8 [B, H, W]."""
        planes = one_hot(masks)
        features = self.convolutions(planes)
        rows, columns = features.shape[-2:]
        tokens = self.norm(features.flatten(2).movedim(1, 2))
        tokens = tokens + grid_positions(rows, columns, tokens.shape[-1]).to(tokens)
        small = functional.avg_pool2d(planes, LATENT_FACTOR) if self.with_planes else None
        return Condition(tokens, small)
