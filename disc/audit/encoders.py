"""Encoders of an audit: tiles to feature vectors, in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from disc.audit.asked.segmenter import Segmenters
from disc.audit.sets import AuditSet
from disc.evaluate.referee import referee_features
from disc.files import BadInput
from disc.grade.encoders.frozen import FrozenEncoder
from disc.grade.encoders.table import NAMED, require_weights
from disc.grade.encoders.weights import load_encoder
from disc.processes import own_device

BATCH = 64
"""Tiles that an encoder takes together."""
LEVELS = 4
"""Octaves of the fixed filters."""
Features = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class View:
    """Features of one network that did not see the patients of these real tiles.

    Attributes:
        chosen: indices of the real tiles.
        real: features of these, [n, D].
        synthetic: features of all synthetic tiles, [N, D].
    """

    chosen: npt.NDArray[np.int64]
    real: Features
    synthetic: Features


def see(
    name: str,
    real: AuditSet,
    synthetic: AuditSet,
    segmenters: Segmenters | None,
    weights: Path = Path("encoders"),
) -> list[View]:
    """Features of both sets by an encoder: one view, or one of each half of the patients.

    Args:
        name: `embedded`, `texture`, or that of a public encoder.
        real: tiles.
        synthetic: tiles.
        segmenters: of which `embedded` are the middle features.
        weights: folder of the weight files of public encoders.

    Raises:
        BadInput: if a public encoder cannot be read, or gives no numbers.
    """
    if name == "embedded":
        assert segmenters is not None
        views = []
        for number, net in enumerate(segmenters.nets):
            chosen = segmenters.unseen(number)
            seen = referee_features(net, real.images[chosen])
            views.append(View(chosen, seen, referee_features(net, synthetic.images)))
        return views
    read = partial(encode, texture) if name == "texture" else open_public(name, weights)
    parts = [read(held.images) for held in (real, synthetic)]
    if not all(np.isfinite(part).all() for part in parts):
        raise BadInput(f"{name}: its features are not finite; another weight file may help")
    return [View(np.arange(len(real)), *parts)]


Encoder = Callable[[torch.Tensor], torch.Tensor]
"""Tiles [B, 3, H, W] in 0..1 -> features [B, D]."""


@torch.no_grad()
def encode(encoder: Encoder, images: Pixels, batch: int = BATCH) -> Features:
    """Features float64 [N, D] of tiles uint8 [N, H, W, 3], on the device of this process."""
    device, parts = own_device(), []
    for start in range(0, len(images), batch):
        held = torch.from_numpy(images[start : start + batch]).to(device).permute(0, 3, 1, 2)
        parts.append(encoder(held.contiguous().float() / 255).cpu().double().numpy())
    return np.concatenate(parts)


def texture(images: torch.Tensor) -> torch.Tensor:
    """Fixed filters: how strong each octave of each stain is, how uneven, and how they go together.

    Nothing is learnt and no label is known, so blur, noise and stain show as they are.

    Args:
        images: [B, 3, H, W] in 0..1.

    Returns:
        [B, 42].
    """
    level = -torch.log10(images.clamp(min=1 / 255))
    parts = [level.mean(dim=(2, 3)), level.std(dim=(2, 3))]
    for _ in range(LEVELS):
        low = F.avg_pool2d(F.pad(level, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        band = level - low
        strength = band.square().mean(dim=(2, 3))
        uneven = F.avg_pool2d(band.square(), 4).std(dim=(2, 3), correction=0) / (strength + 1e-6)
        parts += [0.5 * torch.log(strength + 1e-6), uneven, _together(band)]
        level = F.avg_pool2d(low, 2)
    return torch.cat(parts, dim=1)


def _together(band: torch.Tensor) -> torch.Tensor:
    """Correlations of the three channels, [B, 3]."""
    flat = band.flatten(2)
    flat = flat / (flat.norm(dim=2, keepdim=True) + 1e-6)
    return torch.stack(
        [(flat[:, i] * flat[:, j]).sum(dim=1) for i, j in ((0, 1), (0, 2), (1, 2))], dim=1
    )


def open_public(name: str, folder: Path) -> Callable[[Pixels], Features]:
    """A public encoder, which gives features float64 [N, D] of tiles uint8 [N, H, W, 3].

    Raises:
        BadInput: if timm is not installed, or the weight file is missing or not whole.
    """
    network = load_encoder(require_weights(folder, name, NAMED), name).to(own_device())
    encoder = FrozenEncoder(network)
    return lambda images: encoder.read("", iter(images)).astype(np.float64)
