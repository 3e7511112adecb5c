"""A discriminator of patches, and the loss of a network that is trained against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn.functional import leaky_relu, relu
from torch.nn.utils.parametrizations import spectral_norm

Discriminate = Callable[[torch.Tensor], list[torch.Tensor]]


class Discriminator(nn.Module):
    """Tells real patches from made ones: four convolutions, spectrally normalised."""

    def __init__(self, inputs: int, channels: int, strides: Sequence[int]) -> None:
        """Build it.

        Args:
            inputs: channels of what it sees.
            channels: of the first layer; doubled twice.
            strides: of the four layers, 1 or 2. Patches are 26 px wide with 2, 2, 1, 1.
        """
        super().__init__()
        widths = (inputs, channels, 2 * channels, 4 * channels, 1)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 2 + stride, stride=stride, padding=1))
            for before, after, stride in zip(widths[:-1], widths[1:], strides, strict=True)
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of each layer; the last [B, 1, h, w] is above 0 where a patch looks real."""
        found = []
        for number, layer in enumerate(self.layers, start=1):
            images = layer(images)
            images = leaky_relu(images, 0.2) if number < len(self.layers) else images
            found.append(images)
        return found


def contest_loss(
    made: torch.Tensor,
    real: torch.Tensor,
    error_of: Callable[[torch.Tensor], torch.Tensor],
    discriminate: Discriminate | None,
    weights: tuple[float, float],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The loss of a network and of its discriminator, for one backward pass through both.

    Args:
        made: what the network makes [B, C, H, W].
        real: what it should have made, of the same shape.
        error_of: the network's own loss, of what it made.
        discriminate: the discriminator; None: there is none.
        weights: sizes of the adversarial gradient and of that of the feature-matching loss (the
            distance of the discriminator's features) over that of the network's own loss; 0, 0: the
            discriminator learns and does not count.

    Returns:
        The loss to go back from; the network's own part of it, and the discriminator's.
    """
    own = torch.zeros((), device=made.device)
    with torch.enable_grad():  # also where a loss is merely looked at
        shown = made.detach().requires_grad_()
        error = error_of(shown)
        (gradient,) = torch.autograd.grad(error, shown)
        if discriminate is not None and any(weights):
            gradient = gradient + _gradient_against(shown, real, gradient, discriminate, weights)
    if discriminate is not None:
        # hinge: max(0, 1 - D(x)) + max(0, 1 + D(x')); x, x' [B, C, H, W]
        own = (
            relu(1 - discriminate(real)[-1]).mean()
            + relu(1 + discriminate(shown.detach())[-1]).mean()
        )
    # its gradient with respect to the network's weights is that of the weighted sum
    pull = (made * gradient).sum()
    loss = error.detach() + (pull - pull.detach()) + own
    return loss, error.detach(), own.detach()


def _gradient_against(
    shown: torch.Tensor,
    real: torch.Tensor,
    gradient: torch.Tensor,
    discriminate: Discriminate,
    weights: tuple[float, float],
) -> torch.Tensor:
    """Gradients of the adversarial and of the feature loss, in proportion to another's size.

    Sizes are those of each image alone, so that a batch may be split.
    """
    with torch.no_grad():
        expected = discriminate(real)
    features = discriminate(shown)
    apart = [(one - other).abs().mean() for one, other in zip(features, expected, strict=True)]
    terms = (-features[-1].mean(), torch.stack(apart[:-1]).sum())
    total, size = torch.zeros_like(gradient), _norms(gradient)
    for weight, term in zip(weights, terms, strict=True):
        (pull,) = torch.autograd.grad(term, shown, retain_graph=True)
        total += weight * size / _norms(pull).clamp(min=1e-12) * pull
    return total


def _norms(gradient: torch.Tensor) -> torch.Tensor:
    norms: torch.Tensor = gradient.flatten(1).norm(dim=1)[:, None, None, None]
    return norms
