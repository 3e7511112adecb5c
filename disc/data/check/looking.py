"""Every image and mask decoded once, by many processes; what is kept of each is a few numbers."""

from __future__ import annotations

import multiprocessing
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from disc.data.check.fingerprints import SIDE, Print, take_print
from disc.data.images import Pixels
from disc.data.rims import find_rims
from disc.labels import GRADES, IGNORE
from disc.progress import Bar

LARGEST_PX = 2**26
"""Images with more pixels are not decoded; their sizes are wrong anyway."""
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_CHUNK = 32
_TO_LABEL = np.full(256, IGNORE, np.uint8)
for _label, _grade in GRADES.items():
    _TO_LABEL[_grade] = _label


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What one file showed."""

    size: tuple[int, int] | None = None
    """Width and height; None: the header is not readable."""
    fault: str = ""
    """`damaged` or `pixel-kind`."""
    note: str = ""
    """More about the fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What an image and its mask showed."""

    image: Sight
    mask: Sight | None = None
    """None: there is no mask."""
    values: dict[int, int] = field(default_factory=dict)
    """Pixels of the mask by value."""
    rim_px: int = 0
    """Pixels that a clean-up of thin rims would change."""
    fingerprint: Print | None = None
    """None: not readable, or too little contrast."""


def look_at_tile(image: Path, mask: Path | None) -> Look:
    """Decode a tile and its mask."""
    sight, picture = _load(image, {"RGB"}, draft_px=2 * SIDE)
    seen, values = (None, None) if mask is None else _load(mask, {"L", "P"})
    pixels = None if values is None else np.asarray(values, np.uint8)
    return Look(
        image=sight,
        mask=seen,
        values={} if pixels is None else count_values(pixels),
        rim_px=0 if pixels is None else count_rim(pixels),
        fingerprint=None if picture is None else take_print(picture),
    )


def count_values(pixels: Pixels) -> dict[int, int]:
    """Pixels by value."""
    counts = np.bincount(pixels.ravel(), minlength=256)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def count_rim(pixels: Pixels) -> int:
    """Pixels that a clean-up of thin rims would change, of a mask with grades as values."""
    labels = _TO_LABEL[pixels]
    return int(find_rims(labels).sum())


def _load(
    path: Path, modes: Collection[str], *, draft_px: int | None = None
) -> tuple[Sight, Image.Image | None]:
    """Decode a file; with `draft_px`, a JPEG is decoded whole but drawn small."""
    size = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # remarks on odd metadata
            with Image.open(path, formats=("JPEG", "PNG")) as image:
                size = image.size
                fault = _refuse(image, modes)
                if fault is None and draft_px is not None:
                    image.draft("L", (draft_px, draft_px))
                if fault is None:
                    image.load()
    except UnidentifiedImageError:
        return Sight(size=size, fault="damaged", note="not a JPEG or PNG image"), None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Sight(fault="damaged", note="its header claims an enormous image"), None
    except _UNREADABLE as error:
        note = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Sight(size=size, fault="damaged", note=" ".join(note.split())), None
    return (Sight(size=size), image) if fault is None else (fault, None)


def _refuse(image: Image.Image, modes: Collection[str]) -> Sight | None:
    width, height = image.size
    if width * height > LARGEST_PX:
        note = f"{width} x {height} px: too large to decode"
        return Sight(size=image.size, fault="damaged", note=note)
    if image.mode not in modes:
        kind = "RGB" if "RGB" in modes else "8-bit grey or palette"
        note = f"pixels of mode {image.mode}; expected {kind}"
        return Sight(size=image.size, fault="pixel-kind", note=note)
    return None


def look_at_all(
    tasks: Sequence[tuple[Path, Path | None]],
    look: Callable[[Path, Path | None], Look],
    *,
    name: str,
    processes: int = 0,
) -> list[Look]:
    """Decode many images and masks; the order of the result is that of the tasks.

    Args:
        tasks: image and mask of each.
        look: decodes one.
        name: shown beside the bar.
        processes: how many work side by side; 0: one a core. Changes speed only.
    """
    count = min(processes or os.cpu_count() or 1, 1 + len(tasks) // _CHUNK)
    bar, looks = Bar(f"reading {name}", total=len(tasks)), []
    with ExitStack() as stack:
        stack.callback(bar.close)
        found: Iterator[Look]
        if count == 1:
            found = map(look, *zip(*tasks, strict=True)) if tasks else iter(())
        else:
            # Spawned: a forked child of a process with threads may hang.
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(count, context))
            found = pool.map(look, *zip(*tasks, strict=True), chunksize=_CHUNK)
        for one in found:
            looks.append(one)
            bar.advance()
    return looks
