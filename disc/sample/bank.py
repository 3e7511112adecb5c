"""The bank: bundles of latents, one a label, denoised once and fused under any mask later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from disc.files import write_bytes
from disc.labels import NUM_LABELS
from disc.model.denoiser import Denoiser
from disc.model.store import read_tensors
from disc.processes import own_share, wait_for_all
from disc.progress import Bar
from disc.sample.separated import denoise_labels
from disc.sample.solver import draw_noise
from disc.seeds import derive
from disc.settings.sampling import Sample

CHUNK = 60
"""Bundles of a shard; a stopped bank resumes at the next missing shard."""


@dataclass(frozen=True)
class Bank:
    """Bundles and the seeds that their noise can be drawn from again.

    Attributes:
        latents: float [N, K, 3, h, w]; labels that were not requested are zero.
        seeds: one a bundle.
        labels: the labels that bundles hold.
    """

    latents: torch.Tensor
    seeds: list[int]
    labels: tuple[int, ...]

    def draw_noise(self, bundles: Sequence[int]) -> torch.Tensor:
        """The noise z_T [n, 3, h, w] that bundles were denoised from; of the seed alone."""
        return draw_noise([self.seeds[i] for i in bundles], self.latents.shape[-1])


def bundle_seed(seed: int, index: int) -> int:
    """The noise seed of a bundle."""
    return derive(seed, "bundle", index)


def fill_bank(
    denoiser: Denoiser,
    folder: Path,
    settings: Sample,
    *,
    num: int,
    labels: Sequence[int],
    latent_px: int,
    seed: int,
) -> None:
    """Denoise `num` bundles into shards of the folder; shards that stand are kept.

    Paper: Sec. 2.3 (20,000 separated samples).
    """
    share = own_share()
    bar = Bar("bank", total=num, unit="bundle", shown=share.is_first)
    for number, start in enumerate(range(0, num, CHUNK)):
        indices = range(start, min(start + CHUNK, num))
        path = folder / f"bundles_{start:06d}.safetensors"
        if share.has(number) and not path.exists():
            seeds = [bundle_seed(seed, i) for i in indices]
            wanted = torch.zeros(len(seeds), NUM_LABELS, dtype=torch.bool)
            wanted[:, list(labels)] = True
            noise = draw_noise(seeds, latent_px)
            bundles = denoise_labels(denoiser, noise, wanted, settings, seeds=seeds)
            tensors = {"latents": bundles, "seeds": torch.tensor(seeds)}
            write_bytes(path, safetensors.torch.save(tensors))
        bar.advance(len(indices))
    bar.close()
    wait_for_all()


def read_bank(folder: Path) -> Bank:
    """All bundles of a folder.

    Raises:
        FileNotFoundError: if there are none.
    """
    shards = [read_tensors(path) for path in sorted(folder.glob("bundles_*.safetensors"))]
    if not shards:
        raise FileNotFoundError(f"{folder}: no bundles; the stage 'bank' writes them")
    latents = torch.cat([shard["latents"] for shard in shards])
    labels = [k for k in range(latents.shape[1]) if bool(latents[:, k].any())]
    seeds = [int(seed) for shard in shards for seed in shard["seeds"]]
    return Bank(latents, seeds, tuple(labels))
