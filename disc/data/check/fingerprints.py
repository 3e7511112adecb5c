"""Perceptual hashes, and which pictures are the same up to flips, rotations and compression."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn

SIDE = 32
"""Pictures are shrunk to this many pixels a side."""
_KEPT = 16
"""Frequencies kept along each axis."""
_HASHED = 8
"""Of these, frequencies whose signs are the hash: 64 bits, less the mean's."""
_MIN_CONTRAST = 2.0
"""Standard deviation, in grey levels, below which a picture is glass and is like all glass."""
_MIN_CONTENT = 0.1
"""Fraction of a picture that must be darker than its glass, by twice that: else pictures of which
nothing but a nucleus at an edge is there would be the same."""
_MAX_BITS = 12
"""Bits in which candidates may differ. Tiles of half overlap differ in 14 or more, the same tile
at JPEG quality 20 in 7, at two thirds of its size in 10."""
_MIN_COSINE = 0.8
"""Of whitened coefficients. Different tiles reach 0.4; the same tile, worn as above, keeps 0.9."""
_CHUNK = 512

Print = npt.NDArray[np.float16]
"""Unit vector [256] of the picture's whitened low frequencies."""


def take_print(picture: Image.Image) -> Print | None:
    """The fingerprint of a picture; None where too little is there to compare.

    Frequencies are whitened: tissue's spectrum falls as 1/f, and unwhitened the outline of a core
    on glass would make tiles alike that are not.
    """
    small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, np.float32)
    content = np.mean(grey < np.percentile(grey, 95) - 2 * _MIN_CONTRAST)
    if grey.std() < _MIN_CONTRAST or content < _MIN_CONTENT:
        return None
    white = dctn(grey, norm="ortho")[:_KEPT, :_KEPT] * np.hypot(*np.mgrid[:_KEPT, :_KEPT])
    result: Print = (white / np.linalg.norm(white)).ravel().astype(np.float16)
    return result


def find_same(prints: npt.NDArray[np.float16]) -> list[list[int]]:
    """Groups of pictures that are the same, up to the eight symmetries of a square.

    Candidates are found by the hash, in all eight positions, and confirmed by the coefficients.
    Memory grows with N, however many pictures are the same.

    Args:
        prints: fingerprints [N, 256].

    Returns:
        For each group its indices, ascending; a picture is in one group at most.
    """
    groups: list[list[int]] = []
    is_taken = np.zeros(len(prints), np.bool_)
    hashes = [_hash(transformed) for transformed in _transforms(prints)]
    for start in range(0, len(prints), _CHUNK):
        near = _near(hashes, start)
        for row in np.flatnonzero(near.any(1)).tolist():
            later = start + np.flatnonzero(near[row])
            same = later[~is_taken[later]]
            same = same[_cosines(prints[start + row], prints[same]) >= _MIN_COSINE]
            if len(same) and not is_taken[start + row]:
                is_taken[same] = True
                groups.append([start + row, *same.tolist()])
    return groups


def _near(hashes: list[npt.NDArray[np.uint64]], start: int) -> npt.NDArray[np.bool_]:
    """Whether a picture of a chunk has nearly the hash of a later one in some position.

    Returns:
        bool [chunk, N - start], of which only what lies above the diagonal can be true.
    """
    rows = hashes[0][start : start + _CHUNK, None]
    near = np.zeros((len(rows), len(hashes[0]) - start), np.bool_)
    for transformed in hashes:
        near |= np.bitwise_count(rows ^ transformed[None, start:]) <= _MAX_BITS
    above: npt.NDArray[np.bool_] = np.triu(near, 1)
    return above


def _transforms(prints: npt.NDArray[np.float16]) -> Iterator[npt.NDArray[np.float16]]:
    """Fingerprints after flips and rotations: mirroring changes the sign of odd frequencies."""
    square = prints.reshape(-1, _KEPT, _KEPT)
    odd = (1 - 2 * (np.arange(_KEPT) % 2)).astype(np.float16)
    for base in (square, square.swapaxes(1, 2)):
        for down in (1, odd[:, None]):
            for across in (1, odd):
                yield (base * down * across).reshape(len(prints), -1)


def _hash(prints: npt.NDArray[np.float16]) -> npt.NDArray[np.uint64]:
    """Signs of the lowest frequencies as 64 bits [N]."""
    low = prints.reshape(-1, _KEPT, _KEPT)[:, :_HASHED, :_HASHED] > 0
    packed = np.packbits(low.reshape(len(prints), -1), axis=1)
    return packed.view(np.uint64).ravel()


def _cosines(one: Print, others: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Cosine of one fingerprint and each of others [M], in the position where it is largest."""
    transformed = np.concatenate(list(_transforms(one[None]))).astype(np.float32)
    cosines: npt.NDArray[np.float32] = (transformed @ others.astype(np.float32).T).max(0)
    return cosines
