"""Tiles as they are compared for copies: optical density of some 64 x 64 px, band-passed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.fft import dctn

from disc.evaluate.gradients import LUMINANCE
from disc.processes import own_device

WORK_PX = 64
"""Side of a picture; tiles of any size are brought to it."""
HALF = WORK_PX // 2
"""Side of a window: half a picture, a quarter of its area."""
COARSE = 4
"""Pixels of a picture that are averaged where candidates are searched for."""
SMALL = WORK_PX // COARSE
NUM_PLACES = (SMALL - SMALL // 2 + 1) ** 2
"""Windows of a picture that is searched, one at every coarse pixel: 9 x 9."""
CORNERS = (
    (0, 0),
    (0, SMALL // 2),
    (SMALL // 2, 0),
    (SMALL // 2, SMALL // 2),
    (SMALL // 4, SMALL // 4),
)
"""Windows of a picture that is looked for: its four corners and its centre, in coarse pixels."""
NUM_VERSIONS = 8
FINEST = 7
"""Of a window's cosine coefficients those up to this sum of frequencies, down and across, are
compared where candidates are searched for: finer ones change with every pixel that a copy lies
beside the places that are searched, and the search takes half the time without them."""
_SMOOTH, _WIDE = 0.8, 6.0
"""Deviations in pixels of the band: compression lies below, uneven stain above."""
_CHUNK = 512
Floats = npt.NDArray[np.float32]


class Tiles(Protocol):
    """Tiles uint8 [N, H, H, 3]: an array, or what reads them."""

    def __len__(self) -> int: ...
    def __getitem__(self, places: slice | npt.NDArray[np.int64], /) -> npt.NDArray[np.uint8]: ...


@dataclass(frozen=True, eq=False)
class Pictures:
    """Band-passed pictures of a set of tiles.

    Attributes:
        pixels: float32 [N, 64, 64], on the device of this process.
    """

    pixels: torch.Tensor

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.pixels)

    def take(self, indices: npt.NDArray[np.int64]) -> Pictures:
        """Some of them."""
        return Pictures(self.pixels[torch.from_numpy(indices)])

    def windows(self) -> torch.Tensor:
        """Unit vectors [N, 81, 35] of the windows at every place, row by row."""
        side = SMALL // 2
        small = F.avg_pool2d(self.pixels[:, None], COARSE)
        cut = F.unfold(small, side).transpose(1, 2)
        return transform_windows(cut)

    def wholes(self) -> torch.Tensor:
        """Unit vectors [N, 256] of whole pictures."""
        return normalise(F.avg_pool2d(self.pixels[:, None], COARSE).flatten(1))


def take_pictures(images: Tiles) -> Pictures:
    """Pictures of tiles uint8 [N, H, H, 3]; of those that are read, few are held at a time."""
    parts = [_band(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)]
    return Pictures(torch.cat(parts))


def turn(pixels: torch.Tensor, version: int) -> torch.Tensor:
    """One of the 8 flips and rotations of square pictures [..., H, H]; 0 is the picture itself."""
    turned = torch.rot90(pixels, version % 4, dims=(-2, -1))
    return turned if version < 4 else turned.flip(-1)


def query_windows(pictures: Pictures) -> torch.Tensor:
    """Unit vectors [N, 5, 8, 35] of the windows that are looked for, in all versions."""
    small, side = F.avg_pool2d(pictures.pixels[:, None], COARSE)[:, 0], SMALL // 2
    cut = torch.stack([small[:, y : y + side, x : x + side] for y, x in CORNERS], dim=1)
    versions = [turn(cut, v).flatten(2) for v in range(NUM_VERSIONS)]
    return transform_windows(torch.stack(versions, dim=2))


def query_wholes(pictures: Pictures) -> torch.Tensor:
    """Unit vectors [N, 8, 256] of whole pictures in all versions."""
    small = F.avg_pool2d(pictures.pixels[:, None], COARSE)[:, 0]
    return normalise(torch.stack([turn(small, v).flatten(1) for v in range(NUM_VERSIONS)], dim=1))


def transform_windows(windows: torch.Tensor) -> torch.Tensor:
    """Unit vectors [..., 35] of the coarse cosine coefficients of windows [..., 64]."""
    return F.normalize(windows @ _coarse_cosines().to(windows), dim=-1)


@cache
def _coarse_cosines() -> torch.Tensor:
    """The coarse columns of the orthonormal cosine basis (DCT-II) of a window, [64, 35]."""
    side = SMALL // 2
    frequencies = np.add.outer(np.arange(side), np.arange(side))
    kept = np.flatnonzero((frequencies > 0) & (frequencies <= FINEST))
    basis = np.stack([dctn(one.reshape(side, side), norm="ortho") for one in np.eye(side**2)])
    return torch.from_numpy(basis.reshape(side**2, -1)[:, kept])


def normalise(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors [..., D] without their mean, of length 1; what is flat stays near 0."""
    centred = vectors - vectors.mean(dim=-1, keepdim=True)
    length = centred.square().sum(dim=-1, keepdim=True).sqrt()
    unit: torch.Tensor = centred / (length + 0.01 * float(vectors.shape[-1]) ** 0.5)
    return unit


def _band(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Band-passed optical density, float32 [n, 64, 64]."""
    grey = torch.from_numpy((images @ LUMINANCE).astype(np.float32))[:, None].to(own_device())
    if grey.shape[-1] != WORK_PX:
        grey = F.interpolate(grey, (WORK_PX, WORK_PX), mode="area")
    density = -torch.log10((grey + 1) / 256)
    return (_blur(density, _SMOOTH) - _blur(density, _WIDE))[:, 0]


def _blur(pictures: torch.Tensor, deviation: float) -> torch.Tensor:
    reach = int(np.ceil(2.5 * deviation))
    line = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * deviation**2))
    line = (line / line.sum()).to(pictures)
    padded = F.pad(pictures, (reach,) * 4, mode="reflect")
    across = F.conv2d(padded, line.view(1, 1, 1, -1))
    blurred: torch.Tensor = F.conv2d(across, line.view(1, 1, -1, 1))
    return blurred
