"""The codebook's side of the autoencoder: the nearest code, in little memory, and codes in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import nn

NUM_DISTANCES = 2**24
"""Distances held at a time: 64 MiB in float32."""
BETA = 0.25
"""Weight of the error that moves codes, beside the one that moves latents."""


class Quantiser(nn.Module):
    """diffusers' VectorQuantizer with the distances to all codes taken piece by piece.

    The whole table, of a 512 px tile and 8192 codes, takes 0.5 GiB. Values, loss and names of
    weights are diffusers'.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        """Quantise to the rows of an embedding."""
        super().__init__()
        self.embedding = embedding

    def forward(
        self, latents: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[None, None, torch.Tensor]]:
        """Latents [B, C, h, w] to codes alike, commitment loss, (None, None, indices [B h w])."""
        z = latents.permute(0, 2, 3, 1).contiguous()
        indices = self.nearest(z.view(-1, z.shape[-1]))
        codes = self.embedding(indices).view(z.shape)
        error = torch.mean((codes.detach() - z) ** 2) + BETA * torch.mean((codes - z.detach()) ** 2)
        # the gradient of what is decoded goes past the codes to the latents
        passed = z + (codes - z).detach()
        return passed.permute(0, 3, 1, 2).contiguous(), error, (None, None, indices)

    @torch.no_grad()
    def nearest(self, vectors: torch.Tensor) -> torch.Tensor:
        """Index of the nearest code of each vector [N, C]; int [N]."""
        codes = self.embedding.weight
        rows = max(1, NUM_DISTANCES // len(codes))
        return torch.cat([torch.cdist(v, codes).argmin(1) for v in torch.split(vectors, rows)])


def lighten(vq: Any) -> Any:
    """Have a VQModel quantise and attend in little memory; weights and results stay as they are.

    Attention over a 512 px tile, written out, takes 1 GiB for its scores. diffusers takes PyTorch's
    fused one where it finds it; here it is never anything else.
    """
    vq.quantize = Quantiser(vq.quantize.embedding)
    for module in vq.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor2_0())
    return vq


@dataclass(frozen=True)
class CodebookUse:
    """How much of a codebook some latents use.

    Attributes:
        num_codes: size of the codebook.
        num_latents: vectors that were quantised.
        fraction: of the codes, in 0..1, used at least once.
        perplexity: codes that, used equally often, would be as varied; 1..num_codes.
    """

    num_codes: int
    num_latents: int
    fraction: float
    perplexity: float

    def __str__(self) -> str:
        """For people."""
        return (
            f"{100 * self.fraction:.1f} % of {self.num_codes} codes used by {self.num_latents} "
            f"latents, perplexity {self.perplexity:.0f}"
        )


def measure_use(counts: npt.NDArray[np.int64]) -> CodebookUse:
    """Codebook use, from how often each code was used [num_codes]."""
    total = int(counts.sum())
    fractions = counts[counts > 0] / max(1, total)
    entropy = -float((fractions * np.log(fractions)).sum())
    return CodebookUse(len(counts), total, float((counts > 0).mean()), float(np.exp(entropy)))
