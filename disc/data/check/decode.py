"""Every image and mask decoded once, by many processes; a few numbers of each are kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from disc.data.check.fingerprints import SIDE, Print, take_print
from disc.data.pixels.boundary_artefacts import ARTEFACT_PX, find_artefacts
from disc.data.pixels.images import Pixels, open_image
from disc.data.pixels.mask_values import SICAPV2, Meaning
from disc.data.pixels.strict import refuse_odd, said_orientation
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.processes import num_cores, spread
from disc.progress import Bar

MAX_PX = 2**26
"""Images with more pixels are not decoded; their sizes are wrong anyway."""


_CHUNK = 32
_UNTURNED = 4
"""Orientations above it exchange width and height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What one file showed."""

    size: tuple[int, int] | None = None
    """Width and height; None: the header is not readable."""
    fault: str = ""
    """`damaged` or `pixel-kind`."""
    note: str = ""
    """More about the fault."""
    orientation: int = 1
    """How the file says that it is turned, as EXIF and TIFF have it; 1: upright."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What an image and its mask showed."""

    image: Sight
    mask: Sight | None = None
    """None: there is no mask."""
    values: dict[int, int] = field(default_factory=dict)
    """Pixels of the mask by value."""
    artefact_px: int = 0
    """Pixels that cleaning boundary artefacts would change."""
    fingerprint: Print | None = None
    """None: not readable, or too little contrast."""


def look_at_tile(image: Path, mask: Path | None, meaning: Meaning = SICAPV2) -> Look:
    """Decode a tile and its mask; `meaning` says what the mask's values mean."""
    sight, picture = _load(image, {"RGB"}, draft_px=2 * SIDE)
    seen, drawn = (None, None) if mask is None else _load(mask, {"L", "P", "1"})
    values = None if drawn is None else np.asarray(drawn, np.uint8)
    return Look(
        image=sight,
        mask=seen,
        values={} if values is None else count_values(values),
        artefact_px=0 if values is None else int(mark_artefacts(values, meaning).sum()),
        fingerprint=None if picture is None else take_print(picture),
    )


def max_artefact_px(side: int) -> int:
    """Max width of a boundary artefact in a mask of some side, in pixels: 6 in one of 512."""
    return max(2, round(ARTEFACT_PX * side / 512))


def mark_artefacts(values: Pixels, meaning: Meaning) -> npt.NDArray[np.bool_]:
    """Where a mask [H, W] has boundary artefacts, bool [H, W]."""
    return find_artefacts(meaning.table[values], max_artefact_px(len(values)))


def count_values(pixels: Pixels) -> dict[int, int]:
    """Pixels by value."""
    counts = np.bincount(pixels.ravel(), minlength=256)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _load(
    path: Path, modes: Collection[str], *, draft_px: int | None = None
) -> tuple[Sight, Image.Image | None]:
    """Decode a file; with `draft_px`, a JPEG is decoded whole but drawn small."""
    size, orientation = None, 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # remarks on odd metadata
            with open_image(path) as image:
                size = image.size
                fault = _refuse(image, modes)
                if fault is None:
                    refuse_odd(image, path)
                    size, orientation = _decode(image, draft_px)
    except BadInput as error:
        note = " ".join(str(error).split()).removeprefix(f"{path}: ").partition("; ")[0]
        return Sight(size=size, fault="damaged", note=note), None
    return (Sight(size=size, orientation=orientation), image) if fault is None else (fault, None)


def _decode(image: Image.Image, draft_px: int | None) -> tuple[tuple[int, int], int]:
    """Decode a picture: its size when it is upright, and how its file says that it is turned."""
    size = image.size
    if image.format == "TIFF":
        orientation = said_orientation(image)
        image.load()  # which turns it
        return image.size, orientation
    if draft_px is not None:
        image.draft("L", (draft_px, draft_px))
    image.load()
    orientation = said_orientation(image)
    return size[::-1] if orientation > _UNTURNED else size, orientation


def _refuse(image: Image.Image, modes: Collection[str]) -> Sight | None:
    width, height = image.size
    if width * height > MAX_PX:
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

    Raises:
        OSError: if one of them is killed.
    """
    count = min(processes or num_cores(), 1 + len(tasks) // _CHUNK)
    bar, looks = Bar(f"reading {name}", total=len(tasks), unit="image"), []
    with closing(bar), spread(count, _CHUNK) as run:
        try:
            for found in run(look, [task[0] for task in tasks], [task[1] for task in tasks]):
                looks.append(found)
                bar.advance()
        except BrokenProcessPool as error:
            raise OSError(
                f"a process that reads {name} was killed after {len(looks)} files, most likely "
                "for want of memory; give fewer --processes"
            ) from error
    return looks


def look_at_slide(image: Path, mask: Path | None) -> Look:
    """Decode the coarsest level of a slide and of its mask."""
    sight, pixels = _read_coarsest(image)
    seen, values = (None, None) if mask is None else _read_coarsest(mask)
    return Look(
        image=sight,
        mask=seen,
        values={} if values is None else count_values(values[..., 0]),
        fingerprint=None if pixels is None else take_print(Image.fromarray(pixels)),
    )


def _read_coarsest(
    path: Path,
) -> tuple[Sight, np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None]:
    try:
        scan = Scan(path)
        size = scan.width, scan.height
        return Sight(size=size, orientation=scan.orientation), scan.read_coarsest()
    except BadInput as error:
        return Sight(fault="damaged", note=str(error).removeprefix(f"{path}: ")), None
