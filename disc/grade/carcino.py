"""Carcino-Net: reads a label for every pixel of a tile."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from disc.grade.public_carcino import PublicCarcinoNet, load_resnet50
from disc.settings.grading import CarcinoNet as CarcinoNetSettings

GROUP = 8
"""Channels that are normalised together."""
GRIDS = (1, 2, 3)
"""Grids of the pyramid pooling."""


def build_carcino(settings: CarcinoNetSettings) -> PixelNet:
    """A pixel grader with random weights, or with an encoder's where the settings name some.

    Raises:
        FileNotFoundError: if these weights are missing.
        BadInput: if they are of another network.
    """
    if settings.architecture == "own":
        return CarcinoNet(settings)
    net = PublicCarcinoNet(settings.classes)
    if settings.encoder_weights is not None:
        load_resnet50(settings.encoder_weights, net.encoder)
    return net


def blank_carcino(settings: CarcinoNetSettings) -> PixelNet:
    """The same for weights that are read next: no file that training began with is needed."""
    return build_carcino(replace(settings, encoder_weights=None))


class CarcinoNet(nn.Module):
    """Residual encoder, pyramid pooling at the bridge, additive pixel-shuffle decoder.

    Input is float [B, 3, H, W] in 0..1 with sides that are multiples of 32; output is the logits
    [B, L, H, W] of the labels, 4 or 3.

    Paper: Sec. 2.4 (pixel-level grader, ref. 25).
    Differs from paper: small width; blocks of two 3 x 3 convolutions, not ResNet-50's
    bottlenecks; a stem at full resolution without max pooling; GroupNorm in place of BatchNorm,
    so that what is read from a tile does not depend on the other tiles of its batch; a 3 x 3
    convolution after every addition; pixel shuffle without ICNR; tiles in -1..1. The public
    implementation's own is `architecture` public (`PublicCarcinoNet`).
    """

    _supports_gradient_checkpointing = True
    _is_recomputed = False

    def __init__(self, settings: CarcinoNetSettings) -> None:
        """Build it with random weights; stage i works at 1/2^(i+1) of the tile's resolution."""
        super().__init__()
        widths = [
            min(settings.width * 2 ** (i + 1), settings.width * 8)
            for i in range(len(settings.blocks))
        ]
        taps = [settings.width, *widths]
        self.stem = ConvNorm(3, settings.width, size=3)
        self.stages = nn.ModuleList(
            nn.Sequential(
                Residual(before, after, stride=2),
                *(Residual(after, after) for _ in range(count - 1)),
            )
            for (before, after), count in zip(pairwise(taps), settings.blocks, strict=True)
        )
        self.bridge = Pyramid(widths[-1])
        self.rises = nn.ModuleList(Rise(low, high) for high, low in reversed(list(pairwise(taps))))
        self.head = nn.Conv2d(settings.width, settings.classes, 1)

    def enable_gradient_checkpointing(self) -> None:
        """Keep only what stands between blocks for the way back; the rest is computed again."""
        self._is_recomputed = True

    def disable_gradient_checkpointing(self) -> None:
        """Keep everything for the way back."""
        self._is_recomputed = False

    def _run(self, part: nn.Module, *inputs: Tensor) -> Tensor:
        is_recomputed = self._is_recomputed and self.training
        found: Tensor = (
            checkpoint(part, *inputs, use_reentrant=False) if is_recomputed else part(*inputs)
        )
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, L, H, W] of tiles [B, 3, H, W] in 0..1."""
        features = self.encode(images)
        decoded = self._run(self.bridge, features.pop())
        for rise in self.rises:
            decoded = self._run(rise, decoded, features.pop())
        logits: Tensor = self.head(decoded)
        return logits

    def encode(self, images: Tensor) -> list[Tensor]:
        """Features of the stem and of every stage, finest first: entry i at 1/2^i of the tile."""
        # Channels last halves the time on a CPU; the weights stay as they are.
        centred = (2 * images - 1).contiguous(memory_format=torch.channels_last)
        features = [self._run(self.stem, centred)]
        for stage in self.stages:
            reached = features[-1]
            for block in stage.children():
                reached = self._run(block, reached)
            features.append(reached)
        return features


def count_groups(channels: int) -> int:
    """Groups of about `GROUP` channels each, all of one size.

    >>> [count_groups(channels) for channels in (4, 16, 28, 32)]
    [1, 2, 2, 4]
    """
    return next(num for num in range(max(1, channels // GROUP), 0, -1) if channels % num == 0)


class ConvNorm(nn.Sequential):
    """Convolution, GroupNorm, ReLU."""

    def __init__(self, before: int, after: int, *, size: int = 1, stride: int = 1) -> None:
        """Keep the resolution, or divide it by the stride."""
        super().__init__(
            nn.Conv2d(before, after, size, stride, size // 2, bias=False),
            nn.GroupNorm(count_groups(after), after),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a short cut."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        """Divide the resolution by the stride."""
        super().__init__()
        self.first = ConvNorm(before, after, size=3, stride=stride)
        self.second = nn.Sequential(
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.GroupNorm(count_groups(after), after),
        )
        self.short = (
            nn.Identity()
            if stride == 1 and before == after
            else nn.Conv2d(before, after, stride, stride, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Add the change to the input."""
        return F.relu(self.second(self.first(features)) + self.short(features))


class Pyramid(nn.Module):
    """Means over grids of 1, 2 and 3 cells a side, upsampled and joined."""

    def __init__(self, width: int) -> None:
        """Keep width and resolution."""
        super().__init__()
        part = max(GROUP, width // 4)
        self.parts = nn.ModuleList(nn.Conv2d(width, part, 1) for _ in GRIDS)
        self.join = ConvNorm(width + part * len(GRIDS), width, size=3)

    def forward(self, features: Tensor) -> Tensor:
        """Features that know of the whole tile.

        Differs from paper: the features themselves are joined too, at a quarter of the width each;
        at 4 x 4 the grids alone would lose where things are. No wide convolutions follow.
        """
        shape = features.shape[-2:]
        pooled = [
            F.interpolate(F.relu(part(F.adaptive_avg_pool2d(features, grid))), shape)
            for grid, part in zip(GRIDS, self.parts, strict=True)
        ]
        joined: Tensor = self.join(torch.cat([features, *pooled], 1))
        return joined


class Rise(nn.Module):
    """Doubles the resolution by pixel shuffle and adds the encoder's features."""

    def __init__(self, low: int, high: int) -> None:
        """From `low` channels to `high`."""
        super().__init__()
        self.shuffle = nn.Sequential(nn.Conv2d(low, 4 * high, 1), nn.PixelShuffle(2))
        self.refine = ConvNorm(high, high, size=3)

    def forward(self, decoded: Tensor, skipped: Tensor) -> Tensor:
        """Decoded features at the resolution of the skipped ones."""
        refined: Tensor = self.refine(F.relu(self.shuffle(decoded) + skipped))
        return refined


PixelNet = CarcinoNet | PublicCarcinoNet
"""A pixel grader of either architecture."""
