"""The networks of public encoders, built through timm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from disc.grade.encoders.table import PUBLIC, PublicEncoder, require_extra

SIDE = 224
"""Side of the images that all of them read."""


class EncoderNetwork(nn.Module):
    """Images in 0..1 to feature vectors.

    Attributes:
        trunk: the network of timm, with the names that public weights have.
        mean: of colours in 0..1, [3, 1, 1].
        std: the same.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: PublicEncoder) -> None:
        """Build it with random weights.

        Raises:
            BadInput: if timm or torchvision is not installed.
        """
        super().__init__()
        self.encoder = encoder
        self.trunk = _build(encoder)
        mean, std = (torch.tensor(values)[:, None, None] for values in encoder.stats)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, D] of images [B, 3, 224, 224] in 0..1."""
        images = (images - self.mean) / self.std
        if self.encoder.reading == "third":
            return self._read_third(images)
        read: Tensor = self.trunk(images)
        if self.encoder.reading == "token+mean":
            read = torch.cat([read[:, 0], read[:, self.encoder.prefix :].mean(1)], 1)
        return read

    def _read_third(self, images: Tensor) -> Tensor:
        trunk: Any = self.trunk
        maps = trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(images))))
        third: Tensor = trunk.layer3(trunk.layer2(trunk.layer1(maps)))
        return third.mean((2, 3))


def build_encoder(name: str) -> EncoderNetwork:
    """The network of an encoder, untrained.

    Raises:
        BadInput: if timm or torchvision is not installed.
    """
    return EncoderNetwork(PUBLIC[name])


def _build(encoder: PublicEncoder) -> nn.Module:
    require_extra(encoder)
    import timm
    from timm.layers import SwiGLUPacked

    arguments = dict(encoder.arguments)
    if arguments.get("mlp_layer") == "swiglu":
        arguments |= {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU}
    trunk: nn.Module = timm.create_model(
        encoder.architecture, pretrained=False, num_classes=encoder.classes, **arguments
    )
    return trunk
