"""Carcino-Net in the size and with the blocks of its public implementation, ResNet-50 and all."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from disc.files import BadInput

BLOCKS = (3, 4, 6, 3)
"""Bottlenecks of ResNet-50's four layers."""
EXPANSION = 4
"""Channels out of a bottleneck over those within."""
TOP = 2048
"""Channels of the last layer and of the bridge."""
GRIDS = (1, 2, 3)
"""Grids of the pyramid pooling."""
HEAD = ("fc.weight", "fc.bias")
"""What a classifier's weights hold beside the encoder's."""


class PublicCarcinoNet(nn.Module):
    """ResNet-50, a wide pyramid bridge, an additive pixel-shuffle decoder; 311 M weights.

    Input is float [B, 3, H, W] in 0..1 with sides that are multiples of 32; output is the logits
    [B, L, H, W] of L labels. Written from the description of the public implementation
    (CielAl/pytorch-carcino-net, which trains on SICAPv2 alone).

    Paper: Sec. 2.4 (pixel-level grader, ref. 25).
    Differs from paper: the public implementation holds 25 M weights more, two convolutions a
    decoder block that it skips, and its pyramid takes tiles of one size only.
    """

    def __init__(self, num_labels: int) -> None:
        """Build it with random weights."""
        super().__init__()
        self.encoder = ResNet50()
        self.enter = nn.Sequential(nn.BatchNorm2d(TOP), nn.ReLU())
        self.pyramid = nn.ModuleList(
            nn.Sequential(nn.Conv2d(TOP, TOP, 1), nn.BatchNorm2d(TOP), nn.ReLU()) for _ in GRIDS
        )
        self.bridge = nn.Sequential(
            _conv(len(GRIDS) * TOP, TOP), _conv(TOP, 2 * TOP), _conv(2 * TOP, TOP)
        )
        widths = (1024, 512, 256, 64)
        self.rises = nn.ModuleList(
            PublicRise(low, high) for low, high in zip((TOP, *widths), widths, strict=False)
        )
        self.last = Shuffle(64, 64)
        self.head = nn.Conv2d(64, num_labels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, L, H, W] of tiles [B, 3, H, W] in 0..1."""
        features = self.encode(images)
        top = self.enter(features.pop())
        pooled = [
            part(F.interpolate(F.adaptive_avg_pool2d(top, grid), top.shape[-2:]))
            for grid, part in zip(GRIDS, self.pyramid, strict=True)
        ]
        # the pooled maps alone: what they were pooled from is not joined
        decoded = self.bridge(torch.cat(pooled, 1))
        for rise in self.rises:
            decoded = rise(decoded, features.pop())
        logits: Tensor = self.head(self.last(decoded))
        return logits

    def encode(self, images: Tensor) -> list[Tensor]:
        """Features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the tile, finest first."""
        features: list[Tensor] = self.encoder(images)
        return features


class ResNet50(nn.Module):
    """The encoder, named as torchvision names it, without its classifier."""

    def __init__(self) -> None:
        """Build it with random weights."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        before = 64
        for number, count in enumerate(BLOCKS, 1):
            width = 32 * 2**number
            strides = [1 if number == 1 else 2, *[1] * (count - 1)]
            inputs = [before, *[width * EXPANSION] * (count - 1)]
            blocks = [Bottleneck(i, width, s) for i, s in zip(inputs, strides, strict=True)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            before = width * EXPANSION
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features where the resolution changes, finest first."""
        features = [F.relu(self.bn1(self.conv1(images)))]
        value = F.max_pool2d(features[0], 3, 2, 1)
        for number in range(1, len(BLOCKS) + 1):
            value = self.get_submodule(f"layer{number}")(value)
            features.append(value)
        return features


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions and a short cut."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        """From `before` channels to four times the width."""
        super().__init__()
        after = width * EXPANSION
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1 or before != after:
            conv = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(after))

    def forward(self, features: Tensor) -> Tensor:
        """Add the change to the input."""
        changed = F.relu(self.bn1(self.conv1(features)))
        changed = F.relu(self.bn2(self.conv2(changed)))
        short = features if self.downsample is None else self.downsample(features)
        return F.relu(self.bn3(self.conv3(changed)) + short)


class Shuffle(nn.Sequential):
    """Doubles the resolution: 1 x 1 convolution, ReLU, pixel shuffle; starts as nearest (ICNR)."""

    def __init__(self, low: int, high: int) -> None:
        """From `low` channels to `high`."""
        conv = nn.Conv2d(low, 4 * high, 1)
        # ICNR: the four pixels that one becomes begin alike, so that no checkerboard is learned
        one = nn.init.kaiming_normal_(torch.empty_like(conv.weight[:high]))
        with torch.no_grad():
            conv.weight.copy_(one.repeat_interleave(4, 0))
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        super().__init__(conv, nn.ReLU(), nn.PixelShuffle(2))


class PublicRise(nn.Module):
    """Doubles the resolution and adds the encoder's features, normalised."""

    def __init__(self, low: int, high: int) -> None:
        """From `low` channels to `high`."""
        super().__init__()
        self.shuffle = Shuffle(low, high)
        self.norm = nn.BatchNorm2d(high)

    def forward(self, decoded: Tensor, skipped: Tensor) -> Tensor:
        """Decoded features at the resolution of the skipped ones."""
        return F.relu(self.shuffle(decoded) + self.norm(skipped))


def load_resnet50(path: Path, encoder: ResNet50) -> None:
    """Load weights of a ResNet-50 as torchvision names them; its classifier is left out.

    Args:
        path: .safetensors, or a pickle (.pth), which is read by a process of its own.
        encoder: gets them.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if a tensor is missing, unknown or of another shape.
    """
    # loaded here: it brings diffusers
    from disc.model.foreign import read_checkpoint

    found = {name: value for name, value in read_checkpoint(path).items() if name not in HEAD}
    expected = encoder.state_dict()
    # older files have no counts of batches
    counts = {name: value for name, value in expected.items() if name.endswith("_tracked")}
    found = {**counts, **found}
    for name in sorted(expected.keys() ^ found.keys()):
        what = "is missing" if name in expected else "is unknown"
        raise BadInput(f"{path}: '{name}' {what}; expected torchvision's ResNet-50")
    for name, value in found.items():
        shapes = tuple(value.shape), tuple(expected[name].shape)
        if shapes[0] != shapes[1]:
            raise BadInput(
                f"{path}: '{name}' is {shapes[0]}, expected {shapes[1]} of torchvision's ResNet-50"
            )
    encoder.load_state_dict(found)


def _conv(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU())
