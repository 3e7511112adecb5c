"""Small changes of stain and sharpness, sampled anew for every tile of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from disc.processes import Share


@dataclass(frozen=True, kw_only=True)
class Augment:
    """How much is changed; 0 changes nothing.

    Attributes:
        stain: standard deviation of the log of the factor on each channel's optical density.
        blur: largest fraction of a 3 x 3 mean in a tile.
    """

    stain: float = 0.08
    blur: float = 0.0

    def change(self, images: Tensor, generator: torch.Generator, share: Share) -> Tensor:
        """Tiles [B, 3, H, W] in 0..1, changed.

        Args:
            images: this process's part of the batch.
            generator: equal on all processes; sampled from for the whole batch.
            share: which part of the batch this is.
        """
        num = len(images) * share.count
        factors = torch.exp(self.stain * torch.randn(num, 3, 1, 1, generator=generator))
        shares = self.blur * torch.rand(num, 1, 1, 1, generator=generator)
        if self.stain:
            # A factor on the optical density is a power of the light that passes.
            images = images.clamp(min=1 / 255) ** share.take(factors).to(images)
        if self.blur:
            mean = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
            images = torch.lerp(images, mean, share.take(shares).to(images))
        return images
