"""Separated conditions: denoise each label alone from the same noise, fuse by the mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from disc.model.denoiser import Denoiser
from disc.model.latent_shape import LATENT_FACTOR
from disc.sample.regions import shrink_masks
from disc.sample.solver import denoise
from disc.settings.sampling import Sample


def fuse(bundle: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """z_0^mixed: from each label's latent, the pixels where the mask has that label.

    Args:
        bundle: latents [B, K, 3, h, w], one a label.
        masks: uint8 [B, H, W] with labels 0..K-1 only.

    Returns:
        [B, 3, h, w].

    Raises:
        ValueError: if a mask holds a value that is no label.

    Paper: Eq. (2), Sec. 2.3 (its sum runs to K; the labels are 0..K-1).
    """
    if len(masks) and int(masks.max()) >= bundle.shape[1]:
        raise ValueError(f"mask value {int(masks.max())} in a fusion of {bundle.shape[1]} labels")
    # Eq. (2): z_mixed = sum_k 1[m = k] z_0^k; m: [B, h, w], z_0^k: [B, 3, h, w]
    index = shrink_masks(masks, bundle.shape[-1]).long()[:, None, None]
    index = index.expand(-1, 1, bundle.shape[2], -1, -1)
    return torch.gather(bundle, 1, index)[:, 0]


def denoise_labels(
    denoiser: Denoiser,
    noise: torch.Tensor,
    wanted: torch.Tensor,
    settings: Sample,
    slides: torch.Tensor | None = None,
    *,
    seeds: Sequence[int] | None = None,
) -> torch.Tensor:
    """Bundles: z_0^k for every noise under uniform masks, for the wanted labels only.

    Args:
        denoiser: the network.
        noise: z_T [N, 3, h, w], shared by a bundle's labels.
        wanted: bool [N, K], which labels of a bundle to denoise; the others stay zero.
        settings: solver and batch; (noise, label) pairs of several tiles are packed together.
        slides: labels of the slides, uint8 [N, 4]; None: the label that is denoised.
        seeds: one a bundle, for what a solver with eta > 0 adds, the same to all of its labels.

    Returns:
        [N, K, 3, h, w] on the CPU.

    Paper: Sec. 2.3.
    """
    rows, labels = torch.nonzero(wanted, as_tuple=True)
    tile_px = noise.shape[-1] * LATENT_FACTOR
    uniform = labels.to(torch.uint8)[:, None, None].expand(-1, tile_px, tile_px)
    of_rows = None if slides is None else slides[rows]
    of_noise = None if seeds is None else [seeds[row] for row in rows.tolist()]
    latents = denoise(denoiser, noise[rows], uniform, settings, of_rows, seeds=of_noise)
    bundles = torch.zeros(len(noise), wanted.shape[1], *noise.shape[1:])
    bundles[rows, labels] = latents
    return bundles
