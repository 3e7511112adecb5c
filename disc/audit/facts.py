"""What is measured of every tile at its full resolution, in one pass over a set."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.audit.seams.borders import (
    OFFSETS,
    PERIODS,
    coherent_steps,
    fit_step_filter,
    lattice_power,
)
from disc.evaluate.gradients import LUMINANCE, gradient_coherence, gradient_energy
from disc.labels import NUM_LABELS

Array = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
TISSUE = 0.1
"""Optical density above which a pixel is tissue, not glass."""
NUCLEUS_UM = 3.5
"""Radius of a nucleus."""
NUCLEUS_PX = 2.0
"""The same where nobody knows how wide a pixel is."""
_BLOB = 0.06
"""Strength, in optical density, from which a dark blob counts as a nucleus."""
NUM_BANDS = 5
"""Octaves of the power spectrum: wavelengths of 2-4, 4-8, ... pixels."""
NUM_CONTROLS = 2
"""Other tiles under which the borders of a mask are laid."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """Columns of numbers, a row a tile; those by label are [N, 4].

    Attributes:
        energy: squared differences of neighbouring grey values, summed by label.
        energy_px: over how many pixels.
        parallel: differences of the eigenvalues of the structure tensor by label.
        gradients: their sums by label.
        fractions: of the tile that each label covers.
        bands: power by octave [N, 5], finest first.
        density: mean optical density of red, green and blue by label, [N, 4, 3].
        spread: its standard deviation, [N, 4, 3].
        tissue: fraction of tissue [N].
        nuclei: dark blobs by label.
        area_px: pixels by label.
        steps: squared mean steps across the mask's borders by offset, times weights, [N, 7].
        border_weight: squared lengths of borders, [N].
        across: sums of absolute differences across borders and beside them, [N, 2].
        control_steps: the same, of these borders on other tiles, [N, 7].
        control_across: the same, [N, 2].
        lattice: power at periods of 2, 4, 8 px, [N, 3].
        lattice_beside: at neighbouring frequencies, [N, 3].
    """

    energy: Array
    energy_px: Array
    parallel: Array
    gradients: Array
    fractions: Array
    bands: Array
    density: Array
    spread: Array
    tissue: Array
    nuclei: Array
    area_px: Array
    steps: Array
    border_weight: Array
    across: Array
    control_steps: Array
    control_across: Array
    lattice: Array
    lattice_beside: Array

    def take(self, indices: npt.NDArray[np.int64]) -> Facts:
        """Those of some tiles."""
        return Facts(**{one.name: getattr(self, one.name)[indices] for one in fields(self)})


def join(parts: list[Facts]) -> Facts:
    """The facts of several chunks of tiles."""
    names = [one.name for one in fields(Facts)]
    return Facts(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def measure_tiles(images: Pixels, masks: Pixels, um_per_px: float | None) -> Facts:
    """Facts of some tiles uint8 [N, H, H, 3] with masks [N, H, H].

    Borders are laid on other tiles of the same chunk, so its tiles should be of many slides.
    """
    energy, energy_px = gradient_energy(images, masks)
    parallel, gradients = gradient_coherence(images, masks)
    counts = np.stack([(masks == k).sum(axis=(1, 2)) for k in range(NUM_LABELS)], axis=1)
    density = -np.log10((images.astype(np.float32) + 1) / 256)
    means, spreads = _moments(density, masks, counts)
    dark = density.mean(axis=3)
    steps = fit_step_filter(images)
    own = [coherent_steps(image, mask, steps) for image, mask in zip(images, masks, strict=True)]
    controls = _lay_elsewhere(images, masks, steps)
    lattice, beside = lattice_power(images)
    return Facts(
        energy=energy,
        energy_px=energy_px,
        parallel=parallel,
        gradients=gradients,
        fractions=counts / masks[0].size,
        bands=octaves(images),
        density=means,
        spread=spreads,
        tissue=(dark > TISSUE).mean(axis=(1, 2)),
        nuclei=_count_nuclei(dark, masks, um_per_px),
        area_px=counts.astype(np.float64),
        steps=np.stack([part[0] for part in own]).reshape(-1, len(OFFSETS)),
        border_weight=np.array([part[1] for part in own]),
        across=np.stack([part[2] for part in own]),
        control_steps=controls[0],
        control_across=controls[1],
        lattice=lattice.reshape(-1, len(PERIODS)),
        lattice_beside=beside,
    )


def octaves(images: Pixels) -> Array:
    """Power of the grey values by octave of wavelength [N, 5], finest first."""
    grey = images @ LUMINANCE
    side = grey.shape[1]
    window = np.hanning(side)[:, None] * np.hanning(side)
    centred = (grey - grey.mean(axis=(1, 2), keepdims=True)) * window
    power = np.square(np.abs(np.fft.fft2(centred))) / (window**2).sum()
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    bands = [
        power[:, (frequency <= 0.5 / 2**k) & (frequency > 0.25 / 2**k)].mean(axis=1)
        for k in range(NUM_BANDS)
        if side >= 2 ** (k + 2)
    ]
    missing = [np.zeros(len(images))] * (NUM_BANDS - len(bands))
    return np.stack([*bands, *missing], axis=1)


def _moments(
    density: npt.NDArray[np.float32], masks: Pixels, counts: npt.NDArray[np.int64]
) -> tuple[Array, Array]:
    """Mean and standard deviation of the optical density by label, [N, 4, 3]; 0 where none is."""
    means, spreads = (np.zeros((len(masks), NUM_LABELS, 3)) for _ in range(2))
    for label in np.flatnonzero(counts.any(axis=0)):
        here = (masks == label)[..., None]
        size = np.maximum(counts[:, label], 1)[:, None]
        mean = (density * here).sum(axis=(1, 2), dtype=np.float64) / size
        apart = (density - mean[:, None, None].astype(np.float32)) * here
        square = np.square(apart).sum(axis=(1, 2), dtype=np.float64) / size
        means[:, label], spreads[:, label] = mean, np.sqrt(square)
    return means, spreads


def _count_nuclei(dark: npt.NDArray[np.float32], masks: Pixels, um_per_px: float | None) -> Array:
    """Dark blobs of a nucleus's size by label, [N, 4]."""
    radius = NUCLEUS_PX if um_per_px is None else max(NUCLEUS_UM / um_per_px, 1.0)
    # gaussian_laplace would take the tiles' axis for a third one of the picture
    spread = (0, radius / np.sqrt(2), radius / np.sqrt(2))
    curvature = sum(
        ndimage.gaussian_filter(dark, spread, order) for order in ((0, 2, 0), (0, 0, 2))
    )
    response = -(radius**2) / 2 * curvature
    reach = 2 * round(radius) + 1
    peaks = (response == ndimage.maximum_filter(response, (1, reach, reach))) & (response > _BLOB)
    return np.stack([(peaks & (masks == k)).sum(axis=(1, 2)) for k in range(NUM_LABELS)], axis=1)


def _lay_elsewhere(images: Pixels, masks: Pixels, step_filter: Array) -> tuple[Array, Array]:
    """Steps across the borders of each mask on other tiles of the chunk."""
    steps, across = np.zeros((len(images), len(OFFSETS))), np.zeros((len(images), 2))
    shifts = range(1, min(NUM_CONTROLS, len(images) - 1) + 1)
    for shift in shifts:
        for number, mask in enumerate(masks):
            if (mask != mask[0, 0]).any():
                part = coherent_steps(images[(number + shift) % len(images)], mask, step_filter)
                steps[number] += part[0] / len(shifts)
                across[number] += part[2] / len(shifts)
    return steps, across
