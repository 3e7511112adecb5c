"""Size of a latent, that of latent-diffusion's vq-f4; free of torch."""

from __future__ import annotations

LATENT_CHANNELS = 3
LATENT_FACTOR = 4
"""Pixels of a tile by one of its latent, along each side (f)."""
