"""The codebook of the autoencoder: nearest codes in little memory, and how many are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import nn

NUM_DISTANCES = 2**24
"""Distances in memory at a time: 64 MiB in float32."""
NUM_ON_CPU = 2**17
"""The same on a CPU, where 512 KiB stay in its cache."""
BETA = 0.25
"""Weight of the error that moves codes, relative to the one that moves latents."""


class Quantiser(nn.Module):
    """diffusers' VectorQuantizer, with the distances to all codes computed in chunks.

    All distances at once, for a 512 px tile and 8192 codes, take 0.5 GiB. Values, loss and names
    of weights are diffusers'.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        """Quantise to the rows of an embedding."""
        super().__init__()
        self.embedding = embedding

    def forward(
        self, latents: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[None, None, torch.Tensor]]:
        """Latents [B, C, h, w] to codes of that shape, commitment loss, (None, None, indices)."""
        z = latents.permute(0, 2, 3, 1).contiguous()
        indices = self.nearest(z.view(-1, z.shape[-1]))
        codes = self.embedding(indices).view(z.shape)
        # || sg(e) - z ||^2 + beta || e - sg(z) ||^2, means over [B, h, w, C]; sg: stop-gradient
        error = torch.mean((codes.detach() - z) ** 2) + BETA * torch.mean((codes - z.detach()) ** 2)
        # straight-through: value e, gradient that of z
        passed = z + (codes - z).detach()
        return passed.permute(0, 3, 1, 2).contiguous(), error, (None, None, indices)

    @torch.no_grad()
    def nearest(self, vectors: torch.Tensor) -> torch.Tensor:
        """Index of the nearest code of each vector [N, C]; int [N]. In float32 always."""
        codes = self.embedding.weight
        if codes.device.type == "cpu":
            return _find_on_cpu(vectors.to(codes), codes)
        parts = torch.split(vectors.to(codes), max(1, NUM_DISTANCES // len(codes)))
        # autocast takes distances in float32 too
        return torch.cat([torch.cdist(part, codes).argmin(1) for part in parts])


def _find_on_cpu(vectors: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Indices of nearest codes, in a third of the time: without roots, and NumPy's argmin."""
    # ||z - e||^2 / 2 = ||z||^2 / 2 + (||e||^2 / 2 - z e), of which the first part is all codes'
    halves, turned = codes.square().sum(1) / 2, codes.T.contiguous()
    found = []
    with torch.autocast("cpu", enabled=False):
        for part in torch.split(vectors, max(1, NUM_ON_CPU // len(codes))):
            distances = torch.addmm(halves, part, turned, alpha=-1)
            found.append(distances.numpy().argmin(1))
    return torch.from_numpy(np.concatenate(found))


def lighten(vq: Any) -> Any:
    """Let a VQModel quantise and attend in little memory; weights and outputs stay the same.

    Plain attention over a 512 px tile takes 1 GiB for its scores. diffusers uses PyTorch's fused
    attention where it is available; here it is always used.
    """
    vq.quantize = Quantiser(vq.quantize.embedding)
    for module in vq.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor2_0())
    return vq


@dataclass(frozen=True)
class CodebookUse:
    """Codebook use of some latents.

    Attributes:
        num_codes: size of the codebook.
        num_latents: vectors that were quantised.
        fraction: of the codes, in 0..1, used at least once.
        perplexity: exp of the entropy of code frequencies (nats), in 1..num_codes.
    """

    num_codes: int
    num_latents: int
    fraction: float
    perplexity: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{100 * self.fraction:.1f} % of {self.num_codes} codes used by {self.num_latents} "
            f"latents, perplexity {self.perplexity:.0f}"
        )


def measure_use(counts: npt.NDArray[np.int64]) -> CodebookUse:
    """Codebook use, from the counts [num_codes] of each code.

    >>> measure_use(np.array([5, 5, 0, 0])).perplexity
    2.0
    """
    total = int(counts.sum())
    fractions = counts[counts > 0] / max(1, total)
    # perplexity = exp(-sum_k p_k log p_k), over codes in use [<= num_codes]
    entropy = -float((fractions * np.log(fractions)).sum())
    return CodebookUse(len(counts), total, float((counts > 0).mean()), float(np.exp(entropy)))
