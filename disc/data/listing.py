"""Image files of a folder, listed without opening or measuring any of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from disc.files import BadInput

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})


@dataclass(frozen=True)
class Listing:
    """What is in a folder."""

    folder: Path
    images: dict[str, Path]
    """Images by stem, in order of stems."""
    others: tuple[str, ...]
    """Names of what is no image: Thumbs.db, hidden files."""

    def notes(self) -> list[str]:
        """What was left out, for people."""
        if not self.others:
            return []
        return [f"{self.folder}: {len(self.others)} file(s) are no images, first {self.others[0]}"]


def list_images(folder: Path, suffixes: Collection[str] = IMAGES, *, deep: bool = False) -> Listing:
    """Images of a folder.

    Args:
        folder: where to look.
        suffixes: lower case; files with others are no images.
        deep: whether to look in its subfolders too.

    Raises:
        FileNotFoundError: if there is no such folder.
        BadInput: if two images have one stem, an image is a folder, or a link leads out of the
            folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; correct its path")
    images: dict[str, Path] = {}
    others: list[str] = []
    for entry in sorted(_walk(folder, deep), key=lambda entry: entry.name):
        stem, suffix = os.path.splitext(entry.name)
        if suffix.lower() not in suffixes or entry.name.startswith("."):
            others.append(entry.name)
            continue
        _refuse_odd(entry, folder)
        path = Path(entry.path)
        if images.setdefault(stem, path) is not path:
            raise BadInput(
                f"{path}: has the same name as {images[stem]}; tiles are known by their names "
                "without suffix, so rename or remove one"
            )
    return Listing(folder, images, tuple(others))


def _walk(folder: Path, deep: bool) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be listed ({error.strerror})") from error
    for entry in found:
        is_image = os.path.splitext(entry.name)[1].lower() in IMAGES
        if entry.is_dir(follow_symlinks=False) and not is_image:
            if deep:
                yield from _walk(Path(entry.path), deep)
            continue
        yield entry


def _refuse_odd(entry: os.DirEntry[str], folder: Path) -> None:
    if entry.is_symlink():
        target = Path(entry.path).resolve()
        if folder.resolve() not in target.parents:
            raise BadInput(f"{entry.path}: a link out of the folder, to {target}; copy the file")
    elif not entry.is_file(follow_symlinks=False):
        raise BadInput(f"{entry.path}: not a file; expected an image; remove it")
