"""The files of slides below a folder, and what else lies there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from disc.data.readers.slide_masks import name_slide
from disc.data.tables.matching import list_some
from disc.data.wsi.formats import find_dicom
from disc.files import BadInput

SUFFIXES = {".tif", ".tiff", ".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide"}
SUFFIXES |= {".png", ".jpg", ".jpeg"}
"""Names that are taken for slides in a folder."""


def list_slides(slides: Path, leave_out: Collection[Path] = ()) -> tuple[list[Path], list[str]]:
    """Slides in a folder and in folders in it, in order, and notes on what is none.

    Args:
        slides: the folder, or one slide.
        leave_out: folders in it that are not looked into.

    Raises:
        FileNotFoundError: if there is no such slide or folder.
        BadInput: if there is no slide in it.
    """
    if slides.is_file() or find_dicom(slides) is not None:
        return [slides], []
    if not slides.is_dir():
        raise FileNotFoundError(f"{slides}: no such slide or folder; correct its path")
    paths = sorted(_walk(slides, {path.resolve() for path in leave_out}))
    found = [path for path in paths if _is_slide(path)]
    masks = [path for path in found if _is_mask(path)]
    kept = [path for path in found if not _is_mask(path)]
    others = [path for path in paths if not _is_slide(path)]
    notes = [f"{slides}: {len(others)} file(s) are not read: {_count(others)}"] if others else []
    if masks:
        notes.append(
            f"{slides}: {len(masks)} file(s) are called like masks (..._mask), so no slides: "
            f"{list_some([path.name for path in masks])}"
        )
    if not kept:
        held = f"; found {_count([*others, *masks])}" if others or masks else ""
        raise BadInput(f"{slides}: no slides in it; expected {', '.join(sorted(SUFFIXES))}{held}")
    return kept, notes


def _is_slide(path: Path) -> bool:
    """Whether a file is called like a slide; folders come only where they are one (DICOM)."""
    return path.suffix.lower() in SUFFIXES or path.is_dir()


def _is_mask(path: Path) -> bool:
    return name_slide(path).endswith("_mask")


def _count(paths: list[Path]) -> str:
    """How many files there are of each kind, and the first names."""
    kinds = Counter(path.suffix.lower() or "without a suffix" for path in paths)
    counts = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    return f"{counts} ({list_some([path.name for path in paths])})"


def _walk(folder: Path, leave_out: Collection[Path]) -> Iterator[Path]:
    """Everything but hidden files; what a folder with the name of a slide is, its reader says."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise BadInput(f"{folder}: cannot be listed ({error.strerror})") from error
    # Of MIRAX, the folder beside the file of the same name is a part of it.
    parts = {path.stem for path in entries if path.suffix.lower() == ".mrxs"}
    for path in entries:
        if path.name.startswith("."):
            continue
        is_folder = path.is_dir() and not path.is_symlink()
        if not is_folder or path.suffix.lower() in SUFFIXES or find_dicom(path) is not None:
            yield path
        elif path.name not in parts and path.resolve() not in leave_out:
            yield from _walk(path, leave_out)
