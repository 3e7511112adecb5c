"""Reconstruction loss that keeps texture: what plain L1 blurs away in a short training."""

from __future__ import annotations

import torch
from torch.nn import functional

LEVELS = 3
"""Most levels of the Laplacian pyramid."""
PYRAMID_WEIGHT = 0.5


def l1_loss(output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of decoded images [B, 3, H, W]; a scalar."""
    return (output - images).abs().mean()


def texture_loss(output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """L1, plus its Laplacian pyramid, plus gradients, plus focal frequency; a scalar.

    Args:
        output: decoded images [B, 3, H, W] in -1..1.
        images: what they should be.
    """
    return (
        l1_loss(output, images)
        + PYRAMID_WEIGHT * pyramid_loss(output, images)
        + gradient_loss(output, images)
        + frequency_loss(output, images)
    )


def pyramid_loss(output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """L1 between the levels of two Laplacian pyramids, summed over levels (Bojanowski et al. 2018).

    Images are [B, C, H, W]; a level is what is lost by halving their size, down to 4 px.
    """
    rest, total = output - images, torch.zeros((), device=output.device)
    for _ in range(LEVELS):
        if rest.shape[-1] < 8:
            break
        small = functional.avg_pool2d(rest, 2)
        large = functional.interpolate(small, size=rest.shape[-2:], mode="bilinear")
        # the pyramid is linear: the difference of the levels is the level of the difference
        total = total + (rest - large).abs().mean()
        rest = small
    return total


def gradient_loss(output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """L1 between the sizes of the gradients of images [B, C, H, W] (Mathieu et al. 2016)."""
    parts = [
        (output.diff(dim=axis).abs() - images.diff(dim=axis).abs()).abs().mean()
        for axis in (-2, -1)
    ]
    return torch.stack(parts).sum()


def frequency_loss(output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Squared error of the Fourier coefficients, weighted by itself (Jiang et al. 2021).

    Images are [B, C, H, W]. The weight of a coefficient is the size of its error over the largest
    of its image and channel, so that those that are hard to meet count most.
    """
    errors = torch.fft.rfft2(output.float() - images.float(), norm="ortho").abs()
    largest = errors.amax(dim=(-2, -1), keepdim=True).clamp(min=1e-8)
    loss: torch.Tensor = ((errors / largest).detach() * errors.square()).mean()
    return loss
