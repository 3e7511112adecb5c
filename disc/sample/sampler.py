"""The sampler: from masks and seeds to tiles, by any variant, from the same noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from disc.model.autoencoder import Autoencoder
from disc.model.denoiser import Denoiser
from disc.model.tokens import LATENT_FACTOR
from disc.sample.separated import denoise_separated
from disc.sample.solver import denoise, draw_noise
from disc.settings.sampling import Sample
from disc.settings.synthesis import Variant

DECODE_CHUNK = 32
"""Most tiles that are decoded together."""
DECODE_PIXELS = 2**20
"""Most pixels: 4 tiles of 512 px, of which vq-f4 takes about 1 GiB each."""
Tiles = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sampler:
    """All that turns a mask and a seed into a tile.

    Attributes:
        autoencoder: its decoder.
        denoisers: by variant; `sd-sc` needs none, it is `sd` under separated conditions.
        settings: solver and batch.
    """

    autoencoder: Autoencoder
    denoisers: Mapping[Variant, Denoiser]
    settings: Sample

    def draw_latents(
        self,
        variant: Variant,
        masks: Tiles,
        seeds: Sequence[int],
        slide: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Latents [N, 3, h, w] of masks uint8 [N, H, W]; a seed gives all variants one noise.

        Args:
            variant: which way to sample.
            masks: what to generate.
            seeds: one a tile.
            slide: the four bits of the slide that all tiles belong to; None: of no one slide.
        """
        slides = None
        if slide is not None:
            slides = torch.tensor(slide, dtype=torch.uint8).expand(len(masks), -1)
        noise = draw_noise(list(seeds), masks.shape[-1] // 4)
        masks_of_tiles = torch.from_numpy(np.ascontiguousarray(masks))
        if variant == "sd-sc":
            return denoise_separated(
                self.denoisers["sd"], noise, masks_of_tiles, self.settings, slides
            )
        return denoise(self.denoisers[variant], noise, masks_of_tiles, self.settings, slides)

    def decode(self, latents: torch.Tensor) -> Tiles:
        """Tiles uint8 [N, H, W, 3] of latents."""
        device = next(self.autoencoder.parameters()).device
        chunks = torch.split(latents, decode_chunk(LATENT_FACTOR * latents.shape[-1]))
        return np.concatenate([self.autoencoder.decode(chunk.to(device)) for chunk in chunks])

    def generate(self, variant: Variant, masks: Tiles, seeds: Sequence[int]) -> Tiles:
        """Tiles uint8 [N, H, W, 3] that follow the masks."""
        return self.decode(self.draw_latents(variant, masks, seeds))


def decode_chunk(tile_px: int) -> int:
    """How many tiles are decoded together; changes speed and memory only."""
    return max(1, min(DECODE_CHUNK, DECODE_PIXELS // tile_px**2))


def rebuild(autoencoder: Autoencoder, tiles: Tiles) -> Tiles:
    """Tiles through the autoencoder and back: the ceiling of what a generator can show."""
    device = next(autoencoder.parameters()).device
    parts = []
    size = decode_chunk(tiles.shape[1])
    for start in range(0, len(tiles), size):
        chunk = torch.from_numpy(tiles[start : start + size]).to(device)
        parts.append(autoencoder.decode(autoencoder.encode(chunk)))
    return np.concatenate(parts)
