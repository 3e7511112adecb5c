"""Tokens for cross-attention: of the mask, of the labels of tile and slide, or of a layout."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from disc.labels import IGNORE, NUM_LABELS
from disc.masks.layout import NO_BOX, label_boxes
from disc.model.latent_shape import LATENT_FACTOR

CLASSES = NUM_LABELS + 1
"""The labels, and one more for pixels whose label is unknown."""
UNKNOWN_SLIDE = IGNORE
"""In a slide's label: unlabelled."""
NUM_BOXES = 32
"""Boxes of a layout; regions smaller than the 32 largest are omitted."""
NUM_WAVES = 8
"""Frequencies that encode an edge of a box."""


def one_hot(masks: torch.Tensor) -> torch.Tensor:
    """Masks uint8 [B, H, W] (0..3, 255) as float planes [B, 5, H, W]."""
    classes = torch.where(masks == IGNORE, NUM_LABELS, masks.long())
    return functional.one_hot(classes, CLASSES).movedim(-1, 1).float()


def label_planes(masks: torch.Tensor) -> torch.Tensor:
    """Fractions [B, 5, h, w] of the classes in each latent pixel of masks uint8 [B, 4h, 4w]."""
    return functional.avg_pool2d(one_hot(masks), LATENT_FACTOR)


def tile_labels(masks: torch.Tensor) -> torch.Tensor:
    """The tile label of each mask [B, H, W], as SICAPv2 defines it.

    Returns:
        int64 [B]: the most frequent grade; 0 if only Non-Cancer is labelled; 4 if nothing is.
    """
    counts = one_hot(masks).flatten(2).sum(2)
    grades = counts[:, 1:NUM_LABELS]
    benign = torch.where(counts[:, 0] > 0, 0, NUM_LABELS)
    return torch.where(grades.any(1), grades.argmax(1) + 1, benign)


def slide_bits(masks: torch.Tensor, slides: torch.Tensor | None) -> torch.Tensor:
    """Labels uint8 [B, 4] of slides; where None or 255, the labels present in the masks."""
    flat = masks.flatten(1)
    present = torch.stack([(flat == label).any(1) for label in range(NUM_LABELS)], dim=1)
    if slides is None:
        return present.to(torch.uint8)
    return torch.where(slides == UNKNOWN_SLIDE, present.to(torch.uint8), slides)


def grid_positions(rows: int, columns: int, channels: int) -> torch.Tensor:
    """2-D sine-cosine positions [rows * columns, channels]; channels divisible by 4."""
    rates = torch.exp(-math.log(10000.0) * torch.arange(channels // 4) / (channels // 4))
    axes = [torch.arange(size)[:, None] * rates for size in (rows, columns)]
    row, column = (torch.cat([axis.sin(), axis.cos()], dim=1) for axis in axes)
    grid = torch.cat(
        [row[:, None].expand(-1, columns, -1), column[None].expand(rows, -1, -1)], dim=-1
    )
    return grid.reshape(rows * columns, channels)


class MaskTokens(nn.Module):
    """tau: convolutions that turn a mask into tokens, one for every `stride` pixels.

    Paper: Sec. 2.1 (convolutional tau, cross-attention). The paper gives no sizes.
    """

    def __init__(self, context: int, stride: int) -> None:
        """Build the convolutions for a stride that is a power of two."""
        super().__init__()
        widths = [CLASSES, *(min(context, 16 * 2**i) for i in range(int(math.log2(stride))))]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.SiLU()]
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(widths[-1], context, 1))
        self.norm = nn.LayerNorm(context)

    def forward(self, masks: torch.Tensor, slides: torch.Tensor | None) -> torch.Tensor:
        """Tokens [B, N, context] of masks uint8 [B, H, W]; slides are ignored."""
        features = self.convolutions(one_hot(masks))
        rows, columns = features.shape[-2:]
        tokens = self.norm(features.flatten(2).movedim(1, 2))
        return torch.as_tensor(tokens + grid_positions(rows, columns, tokens.shape[-1]).to(tokens))


class FixedToken(nn.Module):
    """One learned token, the same for every tile, for masks that enter only as planes."""

    def __init__(self, context: int) -> None:
        """Start at zero."""
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, context))

    def forward(self, masks: torch.Tensor, slides: torch.Tensor | None) -> torch.Tensor:
        """Tokens [B, 1, context]; masks and slides are ignored."""
        return self.token.expand(len(masks), -1, -1)


class LabelTokens(nn.Module):
    """The label of the tile as a token, and that of its slide as another.

    Paper: Sec. 3, Fig. 7 (conditions of the ablation).
    """

    def __init__(self, context: int, *, has_slide: bool) -> None:
        """Build the embeddings."""
        super().__init__()
        self.tile = nn.Embedding(CLASSES, context)
        self.slide = nn.Linear(NUM_LABELS, context) if has_slide else None

    def forward(self, masks: torch.Tensor, slides: torch.Tensor | None) -> torch.Tensor:
        """Tokens [B, 1 or 2, context] of masks uint8 [B, H, W] and slide labels [B, 4]."""
        tokens = self.tile(tile_labels(masks))[:, None]
        if self.slide is None:
            return torch.as_tensor(tokens)
        bits = slide_bits(masks, slides).float()
        return torch.cat([tokens, self.slide(bits)[:, None]], dim=1)


class BoxTokens(nn.Module):
    """A token for every labelled box of the layout of a mask.

    Boxes are found at the resolution of latents, which omits small specks.

    Paper: Sec. 3 (layouts, ref. 45).
    """

    def __init__(self, context: int) -> None:
        """Build the embeddings of classes and edges."""
        super().__init__()
        self.label = nn.Embedding(NO_BOX + 1, context)
        self.edges = nn.Sequential(
            nn.Linear(4 * 2 * NUM_WAVES, context), nn.SiLU(), nn.Linear(context, context)
        )
        self.norm = nn.LayerNorm(context)

    def forward(self, masks: torch.Tensor, slides: torch.Tensor | None) -> torch.Tensor:
        """Tokens [B, 32, context] of masks uint8 [B, H, W]; slides are ignored."""
        half = LATENT_FACTOR // 2
        small = masks[:, half::LATENT_FACTOR, half::LATENT_FACTOR].cpu().numpy()
        found = [label_boxes(mask, NUM_BOXES) for mask in small]
        classes, boxes = (
            torch.from_numpy(np.stack(part)).to(masks.device) for part in zip(*found, strict=True)
        )
        waves = boxes[..., None] * (math.pi * 2.0 ** torch.arange(NUM_WAVES, device=boxes.device))
        encoded = torch.cat([waves.sin(), waves.cos()], dim=-1).flatten(2)
        is_box = (classes != NO_BOX)[..., None]
        return torch.as_tensor(self.norm(self.label(classes) + is_box * self.edges(encoded)))
