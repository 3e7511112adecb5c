"""The sampler: from masks and seeds to tiles, by any variant and plan, from the same noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from disc.model.autoencoder import Autoencoder
from disc.model.denoiser import Denoiser
from disc.model.latent_shape import LATENT_FACTOR
from disc.sample.plans import Plan, plan_of
from disc.sample.solver import draw_noise
from disc.sample.trajectory import OnStep, Order, follow_plan
from disc.settings.sampling import Sample, Solver
from disc.settings.synthesis import Variant, weights_of

DECODE_CHUNK = 32
"""Most tiles that are decoded together."""
DECODE_PIXELS = 2**20
"""Most pixels: 4 tiles of 512 px, of which vq-f4 takes about 1 GiB each."""
DECODE_BYTES = 2**12
"""Bytes that vq-f4 takes for a pixel of a tile."""
Tiles = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sampler:
    """All that turns a mask and a seed into a tile.

    Attributes:
        autoencoder: its decoder.
        denoisers: by variant; `sd-sc` needs none, it is `sd` under separated conditions.
        settings: solver, plan, batch, and how the networks are run.
        solvers: of variants that have one of their own.
    """

    autoencoder: Autoencoder
    denoisers: Mapping[Variant, Denoiser]
    settings: Sample
    solvers: Mapping[str, Solver] = field(default_factory=dict)

    def solver_of(self, variant: Variant) -> Solver:
        """How tiles of a variant are drawn: by the settings' solver, or its own."""
        return self.solvers.get(variant, self.settings.solver)

    def draw_latents(
        self,
        variant: Variant,
        masks: Tiles,
        seeds: Sequence[int],
        slide: Sequence[int] | None = None,
        plan: Plan | None = None,
        *,
        on_step: OnStep | None = None,
    ) -> torch.Tensor:
        """Latents [N, 3, h, w] of masks uint8 [N, H, W]; a seed gives all variants one noise.

        Args:
            variant: which denoiser, and whether labels are denoised apart.
            masks: what to generate: labels, or 255 where nothing is asked for.
            seeds: one a tile.
            slide: the four bits of the slide that all tiles belong to; None: of no one slide.
            plan: how `sd-sc` joins labels; None: as the settings say. Other variants are plain.
            on_step: told after every step; what it raises ends the drawing.

        Raises:
            BadInput: if the settings name no plan.
        """
        slides, own_seeds = None, [int(seed) for seed in seeds]
        if slide is not None:
            slides = torch.tensor(slide, dtype=torch.uint8).expand(len(masks), -1)
        settings = replace(self.settings, solver=self.solver_of(variant))
        order = Order(
            noise=draw_noise(own_seeds, masks.shape[-1] // LATENT_FACTOR),
            masks=torch.from_numpy(np.ascontiguousarray(masks)),
            slides=slides,
            seeds=own_seeds,
        )
        own = plan_of(variant, settings.plan)
        chosen = plan if plan is not None and variant == "sd-sc" else own
        denoiser = self.denoisers[weights_of(variant)]
        return follow_plan(denoiser, order, chosen, settings, on_step)

    def decode(self, latents: torch.Tensor) -> Tiles:
        """Tiles uint8 [N, H, W, 3] of latents."""
        device = next(self.autoencoder.parameters()).device
        if self.settings.channels_last:
            self.autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
        chunks = torch.split(latents, decode_chunk(LATENT_FACTOR * latents.shape[-1], free))
        is_cast = self.settings.precision == "bfloat16"
        with torch.autocast(device.type, torch.bfloat16, enabled=is_cast):
            return np.concatenate([self.autoencoder.decode(chunk.to(device)) for chunk in chunks])

    def generate(
        self,
        variant: Variant,
        masks: Tiles,
        seeds: Sequence[int],
        plan: Plan | None = None,
        *,
        on_step: OnStep | None = None,
    ) -> Tiles:
        """Tiles uint8 [N, H, W, 3] that follow the masks; arguments as of `draw_latents`."""
        latents = self.draw_latents(variant, masks, seeds, plan=plan, on_step=on_step)
        return self.decode(latents)


def decode_chunk(tile_px: int, free_bytes: int | None = None) -> int:
    """How many tiles are decoded together; changes speed and memory only.

    Args:
        tile_px: side of a tile.
        free_bytes: memory of a GPU that may be filled by half; None: what suits a CPU.
    """
    if free_bytes is not None:
        return max(1, free_bytes // (2 * DECODE_BYTES * tile_px**2))
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
