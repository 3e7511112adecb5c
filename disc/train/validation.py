"""Validation loss of a denoiser, with the same tiles, noise and time steps at every validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from disc.data.tiles.tile_set import TileSet
from disc.model.autoencoder import Autoencoder
from disc.model.denoiser import Denoiser
from disc.model.schedule import NUM_STEPS
from disc.seeds import numpy_generator, torch_generator
from disc.train.latents.latent_set import label_slides

CHUNK = 32


@dataclass(frozen=True)
class ValidationTiles:
    """Latents and masks of tiles that are not trained on.

    Attributes:
        latents: float [N, 3, h, w].
        masks: uint8 [N, H, W].
        slides: labels of their slides, uint8 [N, 4].
        names: of the tiles; a tile's name seeds its noise.
    """

    latents: torch.Tensor
    masks: torch.Tensor
    slides: torch.Tensor
    names: tuple[str, ...]


def encode_validation(
    autoencoder: Autoencoder, tiles: TileSet, max_tiles: int, seed: int
) -> ValidationTiles:
    """Encode a random subset, fixed by the seed, of at most `max_tiles` tiles."""
    order = numpy_generator(seed, "validation tiles").permutation(len(tiles))
    chosen = sorted(int(i) for i in order[:max_tiles])
    parts = []
    for start in range(0, len(chosen), CHUNK):
        images = [torch.from_numpy(tiles.image(i).copy()) for i in chosen[start : start + CHUNK]]
        parts.append(autoencoder.encode_all(torch.stack(images)))
    masks = torch.stack([torch.from_numpy(tiles.mask(i).copy()) for i in chosen])
    names = tuple(tiles.tiles[i].name for i in chosen)
    return ValidationTiles(torch.cat(parts), masks, label_slides(tiles)[chosen], names)


@torch.no_grad()
def measure_bands(
    denoiser: Denoiser, tiles: ValidationTiles, num_bands: int, seed: int
) -> list[float]:
    """Mean squared error of the noise in equal bands of time steps, from low noise to high.

    Every tile is noised once a band; noise and time step are functions of (seed, tile's name,
    band), so that losses of two networks, or of two steps, differ by the weights alone. The error
    is that of eps whatever the network predicts, so that parametrisations can be compared.

    Paper: Eq. (1), Sec. 2.1.
    """
    edges = [NUM_STEPS * band // num_bands for band in range(num_bands + 1)]
    return [
        _measure_band(denoiser, tiles, range(*edges[band : band + 2]), seed)
        for band in range(num_bands)
    ]


def _measure_band(denoiser: Denoiser, tiles: ValidationTiles, band: range, seed: int) -> float:
    device, total = next(denoiser.parameters()).device, 0.0
    for start in range(0, len(tiles.names), CHUNK):
        part = slice(start, start + CHUNK)
        z_0 = tiles.latents[part].to(device)
        t, eps = (x.to(device) for x in _draw(tiles.names[part], band, z_0.shape[1:], seed))
        masks, slides = tiles.masks[part].to(device), tiles.slides[part].to(device)
        noisy = denoiser.schedule.add_noise(z_0, eps, t)
        predicted = denoiser.predict_noise(noisy, t, masks, slides)
        # || eps - eps_theta(z_t, t, tau(m)) ||^2: mean over [3, h, w] of [b, 3, h, w], sum over b
        total += float((predicted - eps).square().flatten(1).mean(1).double().sum())
    return total / len(tiles.names)


def _draw(
    names: Sequence[str], band: range, shape: torch.Size, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Time steps [B] and noise [B, 3, h, w]."""
    generators = [torch_generator(seed, "validation", name, band.start) for name in names]
    t = [torch.randint(band.start, band.stop, (), generator=one) for one in generators]
    return torch.stack(t), torch.stack([torch.randn(shape, generator=one) for one in generators])
