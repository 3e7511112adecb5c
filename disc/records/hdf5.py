"""HDF5 of others: what a file says of its values is checked before any of them is read."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from disc.files import BadInput

MAX_CHUNK = 2**28
"""Bytes that are unpacked at once."""
MAX_PLACE = 2**31
"""In level-0 pixels; no slide is as wide."""
MAX_RATIO = 200
"""Unpacked to stored, of values above `_FEW` bytes; features pack 1 to 4 times, places 30."""
_FEW = 2**24
_HARMLESS = 2**25
"""Bytes that a piece may unpack to beyond its own: a piece that cannot do so is not looked at."""
_SLACK = 2**12
"""Bytes by which packing may enlarge what it cannot pack."""
_GZIP, _LZF, _SUM = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF, h5py.h5z.FILTER_FLETCHER32
_MOST = {_GZIP: 1032, _LZF: 88}
"""Bytes that a byte can unpack to."""


def find_dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset | None:
    """A data set that lies in the file itself; None: there is none of this name.

    Args:
        file: opened.
        name: of the data set.
        path: of the file, for errors.

    Raises:
        BadInput: if it is a link, a group, or its values are in other files.
    """
    link = file.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise BadInput(f"{path}: '{name}' is a link to elsewhere; copy the data into the file")
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        raise BadInput(f"{path}: '{name}' is a group; expected a data set of numbers")
    if found.is_virtual or found.external:
        raise BadInput(f"{path}: '{name}' is kept in other files; copy the data into the file")
    return found


def check_stored(found: h5py.Dataset, path: Path, max_bytes: int) -> None:
    """Refuse values of which the file holds nothing, or too little, or that fill the memory.

    Args:
        found: a data set of numbers.
        path: of the file.
        max_bytes: of all values.

    Raises:
        BadInput: if its values are too many, were never written, or unpack to too much.
    """
    name, size, stored = found.name.strip("/"), found.nbytes, found.id.get_storage_size()
    chunk = math.prod(found.chunks or (1,)) * found.dtype.itemsize
    if size > max_bytes or chunk > MAX_CHUNK:
        raise BadInput(
            f"{path}: '{name}' has {size:,} bytes in pieces of {chunk:,}; expected at most "
            f"{max_bytes:,} in pieces of {MAX_CHUNK:,}; write it anew"
        )
    if size and not stored:
        raise BadInput(f"{path}: '{name}' was never filled with values; write it anew")
    if size > _FEW and size > MAX_RATIO * stored:
        raise BadInput(f"{path}: '{name}' unpacks {stored:,} bytes to {size:,}; write it anew")
    if found.chunks is not None:
        _check_pieces(found, path, chunk)


def _check_pieces(found: h5py.Dataset, path: Path, chunk: int) -> None:
    """Refuse pieces that hold more than they should: HDF5 unpacks all of each."""
    kept, name = found.id.get_create_plist(), found.name.strip("/")
    filters = [kept.get_filter(number)[0] for number in range(kept.get_nfilters())]
    # a checksum and the order of bytes leave their number as it is
    packing = [one for one in filters if one not in (_SUM, h5py.h5z.FILTER_SHUFFLE)]
    last = [one for one in filters if one != _SUM][-1:]
    if packing and (packing[0] not in _MOST or packing != last):
        raise BadInput(
            f"{path}: '{name}' is packed by the filters {filters}; expected gzip or LZF, once and "
            "last; write it anew"
        )
    if filters and any(_unpacks_to_more(found, chunk, filters)):
        raise BadInput(f"{path}: a piece of '{name}' unpacks to over {chunk:,} bytes; replace it")
    if packing == [_LZF] and _pieces(found, MAX_CHUNK // _MOST[_LZF]):
        raise BadInput(
            f"{path}: '{name}' has LZF in pieces of over {MAX_CHUNK // _MOST[_LZF]:,} bytes, "
            "which could unpack to any size; write it anew, with gzip"
        )


def _pieces(found: h5py.Dataset, above: int) -> list[h5py.h5d.StoreInfo]:
    """Where chunks of more bytes than `above` lie."""
    large = list[h5py.h5d.StoreInfo]()
    found.id.chunk_iter(lambda info: large.append(info) if info.size > above else None)
    return large


def _unpacks_to_more(found: h5py.Dataset, chunk: int, filters: Sequence[int]) -> Iterator[bool]:
    """Of each large chunk whether it holds more than a chunk."""
    most = max(_MOST.get(one, 1) for one in filters)
    for info in _pieces(found, (chunk + _HARMLESS) // most):
        yield info.size > chunk + chunk // 8 + _SLACK
        # what packing did not make smaller is stored as it is, and marked so
        if _GZIP in filters and not info.filter_mask >> filters.index(_GZIP) & 1:
            packed = found.id.read_direct_chunk(info.chunk_offset)[1]
            yield len(zlib.decompressobj().decompress(packed, chunk + _SLACK)) >= chunk + _SLACK


def read_side(coords: h5py.Dataset, *, alone: bool = False) -> float | None:
    """Side of a tile in level-0 pixels, as TRIDENT says it, or else CLAM; None: that is not said.

    Args:
        coords: with the attributes of either.
        alone: whether a `patch_size` beside which nothing is said is of level 0, as in files of
            features of tiles that come from no slide.
    """
    side, patch, level, downsample, scanned, target = (
        _read_number(coords, name)
        for name in (
            *("patch_size_level0", "patch_size", "patch_level", "downsample"),
            *("level0_magnification", "target_magnification"),
        )
    )
    if side is None and patch is not None:
        if scanned and target:
            # TRIDENT's patches are of the target
            side = patch * scanned / target
        elif level == 0 or (alone and level is None and downsample is None):
            side = patch
        elif downsample:
            # CLAM's patches are of a level
            side = patch * downsample
    return side if side is not None and 1 <= side <= MAX_PLACE else None


def _read_number(found: h5py.Dataset, name: str) -> float | None:
    """An attribute that is a number, or two of them for across and down; None: there is none."""
    if name not in found.attrs:
        return None
    kept = found.attrs.get_id(name)
    if kept.dtype.kind not in "iuf" or kept.shape not in ((), (1,), (2,)):
        return None
    return float(np.ravel(found.attrs[name])[0])
