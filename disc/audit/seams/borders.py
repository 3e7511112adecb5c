"""Steps of grey values across the borders of a mask: what is left of seams once tissue is out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.evaluate.gradients import LUMINANCE
from disc.labels import NUM_LABELS

OFFSETS = (-3, -2, -1, 0, 1, 2, 3)
"""Pixels from a border at which steps are measured; towards the label with the larger number."""
_MARGIN = 8
"""Pixels at the rim of a tile that are left out, so that every offset is inside of it."""
_REACH = 4
"""Differences on either side of a place that the filter for steps takes into account."""
MIN_PX = 8
"""A border between two labels that is shorter is left out."""
PERIODS = (2, 4, 8)
"""Pixels; a latent pixel is 4 wide, and JPEG's blocks are 8."""
Array = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


def fit_step_filter(images: Pixels) -> Array:
    """The filter [9, 3] that answers 1 to a step of one grey level, and least to texture.

    Of all linear filters of the differences around a place that are right about a step, the one
    whose answers vary least over the tiles: w = C^-1 a / (a' C^-1 a), C the covariance of these
    differences, a the step (Capon 1969). A step of two grey levels drowns in plain differences of
    stained tissue; beside its neighbours and across the colours it stands out.

    Args:
        images: uint8 [N, H, H, 3].
    """
    total, width = np.zeros((3 * (2 * _REACH + 1),) * 2), 2 * _REACH + 1
    for held in (images, images.swapaxes(1, 2)):
        change = np.diff(held.astype(np.float32), axis=2)
        windows = np.lib.stride_tricks.sliding_window_view(change, width, axis=2)
        # [N, H, W', 3, 9]; every third row and column is enough
        samples = windows[:, ::3, ::3].swapaxes(-1, -2).reshape(-1, 3 * width).astype(np.float64)
        total += samples.T @ samples / len(samples)
    step = np.zeros((width, 3))
    step[_REACH] = 1
    # tiles of one colour each have no differences: the filter is then the difference itself
    ridge = max(1e-3 * np.trace(total) / len(total), 1e-6)
    solved = np.linalg.solve(total + ridge * np.eye(len(total)), step.ravel())
    weights = (solved / (step.ravel() @ solved)).reshape(width, 3)
    mirrored: Array = (weights + weights[::-1]) / 2
    return mirrored


def coherent_steps(image: Pixels, mask: Pixels, step_filter: Array) -> tuple[Array, float, Array]:
    """How far grey values step, all in one direction, across a mask's borders.

    Texture steps up as often as down; a seam steps one way along the whole border between two
    labels, so the mean over it is squared, not each step.

    Args:
        image: uint8 [H, W, 3].
        mask: uint8 [H, W], which need not be the image's own.
        step_filter: of `fit_step_filter`.

    Returns:
        Squared mean steps by offset [7], in squared grey levels, each border weighing as much as
        its length squared, since the error of a mean falls with it; the sum of these weights; and
        sums of absolute differences across the border and beside it [2].
    """
    borders = [
        _walk(held, labels, step_filter)
        for held, labels in ((image, mask), (image.swapaxes(0, 1), mask.T))
    ]
    pairs, steps, across = (np.concatenate(part) for part in zip(*borders, strict=True))
    squares, total = np.zeros(len(OFFSETS)), 0.0
    sums = np.zeros(2)
    for pair in np.unique(pairs):
        own = pairs == pair
        count = int(own.sum())
        if count >= MIN_PX:
            squares += count**2 * steps[own].mean(axis=0) ** 2
            total += count**2
            sums += across[own].sum(axis=0)
    return squares, total, sums


def _walk(
    image: Pixels, mask: Pixels, step_filter: Array
) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """Borders between columns: pair of labels [n], steps by offset [n, 7], differences [n, 2]."""
    left, right = mask[:, :-1].astype(np.int64), mask[:, 1:].astype(np.int64)
    is_border = (left != right) & (left < NUM_LABELS) & (right < NUM_LABELS)
    is_border[:, :_MARGIN] = is_border[:, -_MARGIN:] = False
    rows, columns = np.nonzero(is_border)
    one, other = left[rows, columns], right[rows, columns]
    if not len(rows):
        return rows, np.zeros((0, len(OFFSETS))), np.zeros((0, 2))
    change, colours = np.diff(image @ LUMINANCE, axis=1), np.diff(image.astype(np.float64), axis=1)
    answer = sum(
        ndimage.correlate1d(colours[..., channel], step_filter[:, channel], axis=1)
        for channel in range(3)
    )
    sign = np.sign(other - one)
    # towards the larger label: offsets run the other way where it lies to the left
    places = columns[:, None] + sign[:, None] * np.array(OFFSETS)
    steps = sign[:, None] * np.asarray(answer)[rows[:, None], places]
    beside = (np.abs(change[rows, columns - 2]) + np.abs(change[rows, columns + 2])) / 2
    pairs = NUM_LABELS * np.minimum(one, other) + np.maximum(one, other)
    return pairs, steps, np.stack([np.abs(change[rows, columns]), beside], axis=1)


def lattice_power(images: Pixels) -> tuple[Array, Array]:
    """Power of rows and columns at the periods of a lattice, and beside them.

    Args:
        images: uint8 [N, H, H, 3].

    Returns:
        Power at periods of 2, 4 and 8 px, and the mean of that at neighbouring frequencies, both
        [N, 3]; 0 and 0 where a period does not divide the tile.
    """
    grey = images @ LUMINANCE
    side = grey.shape[1]
    at, beside = np.zeros((len(images), len(PERIODS))), np.zeros((len(images), len(PERIODS)))
    for axis in (1, 2):
        # differences are nearly white, so that neighbouring frequencies can be compared
        change = np.diff(grey, axis=axis, append=np.take(grey, [0], axis=axis))
        power = np.square(np.abs(np.fft.rfft(change, axis=axis))).mean(axis=3 - axis)
        for number, period in enumerate(PERIODS):
            centre, last = side // period, power.shape[1] - 1
            near = [centre + k for k in (-3, -2, 2, 3) if 0 < centre + k <= last]
            if side % period == 0 and near:
                at[:, number] += power[:, centre]
                beside[:, number] += power[:, near].mean(axis=1)
    return at, beside
