"""Haematoxylin, eosin and the scanner: from what tissue is made of to an RGB image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.phantom.fields import Values

HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.09, 0.95, 0.28])
"""Optical density per unit of dye in red, green and blue (Ruifrok and Johnston, 2001)."""


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """How a laboratory's slides look.

    Attributes:
        white: RGB of clean glass, 0 to 1.
        haematoxylin: mean strength of the stain.
        eosin: mean strength of the stain.
        tint: shift of the dyes' optical densities.
        blur_um: of the optics.
        gamma: of the tone curve.
        noise: standard deviation, 0 to 1.
    """

    white: tuple[float, float, float] = (0.955, 0.95, 0.955)
    haematoxylin: float = 1.0
    eosin: float = 1.0
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)
    blur_um: float = 0.6
    gamma: float = 1.0
    noise: float = 0.008


HOME = Scanner()
EXTERNAL = Scanner(
    white=(0.935, 0.915, 0.875),
    haematoxylin=1.15,
    eosin=0.72,
    tint=(0.05, -0.09, 0.11),
    blur_um=1.1,
    gamma=0.92,
    noise=0.014,
)
"""The external set's laboratory: browner dyes, paler eosin, softer optics, yellow light."""


@dataclass(frozen=True)
class Stain:
    """One slide's stain and scan.

    Attributes:
        dyes: optical density per unit of haematoxylin and eosin, [2, 3].
        scanner: the laboratory's.
        seed: of the scanner's noise.
    """

    dyes: Values
    scanner: Scanner
    seed: int


def draw_stain(rng: np.random.Generator, scanner: Scanner) -> Stain:
    """A slide's own stain: hue and strength vary from slide to slide in one laboratory."""
    dyes = np.stack([HAEMATOXYLIN, EOSIN]) + np.array(scanner.tint)
    dyes = np.clip(dyes + rng.normal(0, 0.045, (2, 3)), 0.02, None)
    strength = np.array([scanner.haematoxylin, scanner.eosin]) * np.exp(rng.normal(0, 0.24, 2))
    return Stain(dyes * strength[:, None], scanner, int(rng.integers(2**31)))


def expose(amounts: Values, stain: Stain, um_per_px: float) -> npt.NDArray[np.uint8]:
    """Photograph dyed tissue.

    Args:
        amounts: haematoxylin and eosin, [H, W, 2].
        stain: the slide's.
        um_per_px: size of a pixel, for the optics' blur.

    Returns:
        Image, uint8 [H, W, 3], by the law of Beer and Lambert.
    """
    # Beer-Lambert, I = I0 exp(-c D): c [H, W, 2] amounts, D [2, 3] optical densities, I [H, W, 3].
    light = np.array(stain.scanner.white) * np.exp(-amounts @ stain.dyes)
    sigma = stain.scanner.blur_um / um_per_px
    light = ndimage.gaussian_filter(light, (sigma, sigma, 0))
    light = light**stain.scanner.gamma
    rng = np.random.default_rng(stain.seed)
    light = light + rng.normal(0, stain.scanner.noise, light.shape)
    image: npt.NDArray[np.uint8] = np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)
    return image
