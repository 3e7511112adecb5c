"""How a mask enters the denoiser: six conditions, as tokens, as input channels, or as both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from disc.model.tokens import (
    CLASSES,
    BoxTokens,
    FixedToken,
    LabelTokens,
    MaskTokens,
    label_planes,
)
from disc.settings.denoiser import Denoiser


class Condition(NamedTuple):
    """A mask as the U-Net takes it.

    Attributes:
        tokens: [B, N, context].
        planes: [B, 5, h, w] fraction of each class in a latent pixel; None without input channels.
    """

    tokens: torch.Tensor
    planes: torch.Tensor | None

    def take(self, index: torch.Tensor) -> Condition:
        """The conditions that an index [R] names, each as often as it is named."""
        planes = None if self.planes is None else self.planes[index]
        return Condition(self.tokens[index], planes)

    @classmethod
    def join(cls, parts: Sequence[Condition]) -> Condition:
        """Several, one after the other."""
        planes = [part.planes for part in parts if part.planes is not None]
        tokens = torch.cat([part.tokens for part in parts])
        return cls(tokens, torch.cat(planes) if planes else None)


class ConditionEncoder(nn.Module):
    """A mask, and where it matters the label of its slide, as tokens and planes.

    Paper: Sec. 2.1 and 3 (pixel masks, tile labels, tile and slide labels, layouts).
    """

    def __init__(self, settings: Denoiser) -> None:
        """Build the encoder of `settings.condition`."""
        super().__init__()
        self.num_planes = CLASSES if settings.condition in ("concat", "hybrid") else 0
        self.tokens = _tokens(settings)

    def forward(self, masks: torch.Tensor, slides: torch.Tensor | None = None) -> Condition:
        """Encode masks.

        Args:
            masks: uint8 [B, H, W]; 255 is a class of its own.
            slides: bits NC, GG3, GG4, GG5 of each tile's slide, uint8 [B, 4]; where None or 255,
                the labels present in the mask are used instead.
        """
        tokens = self.tokens(masks, slides)
        if not self.num_planes:
            return Condition(tokens, None)
        return Condition(tokens, label_planes(masks))


def _tokens(settings: Denoiser) -> nn.Module:
    if settings.condition in ("crossattn", "hybrid"):
        return MaskTokens(settings.context, settings.token_stride)
    if settings.condition == "concat":
        return FixedToken(settings.context)
    if settings.condition == "layout":
        return BoxTokens(settings.context)
    return LabelTokens(settings.context, has_slide=settings.condition == "tile+slide-label")
