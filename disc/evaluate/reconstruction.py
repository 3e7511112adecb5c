"""How well tiles survive the autoencoder, the ceiling of what follows: PSNR, SSIM, codes used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from skimage.metrics import structural_similarity

from disc.data.tiles.tile_set import TileSet
from disc.model.autoencoder import Autoencoder
from disc.model.quantiser import CodebookUse, measure_use
from disc.progress import Bar

Pixels = npt.NDArray[np.uint8]
LOW = 5
"""Percentile that is given beside the mean."""


@dataclass(frozen=True, eq=False)
class Fidelity:
    """Reconstruction error of some tiles.

    Attributes:
        psnr: peak signal-to-noise ratio of each tile in dB, [N].
        ssim: structural similarity of each tile, at most 1, [N].
        use: of the codebook, over all tiles.
    """

    psnr: npt.NDArray[np.float64]
    ssim: npt.NDArray[np.float64]
    use: CodebookUse


def measure_fidelity(autoencoder: Autoencoder, tiles: TileSet) -> Fidelity:
    """Encode and decode every tile, one by one, and compare."""
    counts = np.zeros(autoencoder.num_codes, np.int64)
    psnr, ssim = np.zeros(len(tiles)), np.zeros(len(tiles))
    bar = Bar("reconstructing tiles", total=len(tiles), unit="tile")
    for i in range(len(tiles)):
        tile = tiles.image(i)
        decoded, codes = reconstruct(autoencoder, tile)
        counts += np.bincount(codes.ravel(), minlength=len(counts))
        psnr[i], ssim[i] = measure_psnr(tile, decoded), measure_ssim(tile, decoded)
        bar.advance()
    bar.close()
    return Fidelity(psnr, ssim, measure_use(counts))


def reconstruct(autoencoder: Autoencoder, tile: Pixels) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """A tile [H, W, 3] as decoded from its latent, and its codes [H/4, W/4]."""
    device = next(autoencoder.parameters()).device
    latents = autoencoder.encode(torch.from_numpy(tile)[None].to(device))
    return autoencoder.decode(latents)[0], autoencoder.codes(latents)[0].cpu().numpy()


def measure_psnr(tile: Pixels, other: Pixels) -> float:
    """Peak signal-to-noise ratio of two uint8 tiles in dB.

    Equal tiles count as differing by 1 in one value, so that the ratio stays a number.

    >>> measure_psnr(np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8))
    0.0
    """
    # 10 log10(255^2 / mean squared error), over H, W, 3
    squares = (tile.astype(np.float64) - other) ** 2
    return float(10 * np.log10(255**2 / max(squares.mean(), 1 / squares.size)))


def measure_ssim(tile: Pixels, other: Pixels) -> float:
    """Structural similarity of two uint8 tiles, with the Gaussian window of Wang et al. (2004).

    >>> measure_ssim(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8))
    1.0
    """
    return float(
        structural_similarity(
            tile,
            other,
            channel_axis=-1,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def mean_and_low(values: npt.NDArray[np.float64]) -> dict[str, float]:
    """Mean and 5th percentile.

    >>> mean_and_low(np.arange(101.0))
    {'mean': 50.0, 'p5': 5.0}
    """
    return {"mean": float(values.mean()), f"p{LOW}": float(np.percentile(values, LOW))}
