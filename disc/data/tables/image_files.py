"""Image files of a folder, listed without opening or measuring any of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from disc.files import BadInput

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
KNOWN = IMAGES | {".h5"}
"""Suffixes of files that are read; a folder or a stray link with one of them is refused."""
_OME = ".ome"


@dataclass(frozen=True)
class Listing:
    """What is in a folder."""

    folder: Path
    images: dict[str, Path]
    """Images by name without their type, in order of names."""
    others: tuple[str, ...]
    """Names of what is no image: Thumbs.db, hidden files."""

    def notes(self) -> list[str]:
        """What was left out, for people."""
        if not self.others:
            return []
        return [f"{self.folder}: {len(self.others)} file(s) are no images, first {self.others[0]}"]


def name_file(path: Path) -> str:
    """A file's name without its type; the `.ome` of `x.ome.tiff` is a part of that."""
    return _without_ome(path.stem)


def _without_ome(stem: str) -> str:
    return stem[: -len(_OME)] if stem.lower().endswith(_OME) else stem


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
    for path, stem, suffix in sorted(_walk(folder, deep), key=lambda found: found[0].name):
        if suffix not in suffixes or stem.startswith("."):
            others.append(path.name)
        elif images.setdefault(stem, path) is not path:
            raise BadInput(
                f"{path}: has the same name as {images[stem]}; tiles are known by their names "
                "without suffix, so rename or remove one"
            )
    return Listing(folder, images, tuple(others))


def sort_files(
    folder: Path, suffixes: Collection[str] = IMAGES
) -> tuple[dict[str, Path], list[Path]]:
    """Images by stem, and what else lies there: other files, and a second one of a stem.

    Nothing is refused, for checks that say all that is wrong. No folder counts as an empty one.
    """
    images: dict[str, Path] = {}
    strange = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        is_image = path.suffix.lower() in suffixes and not path.name.startswith(".")
        if not is_image or images.setdefault(name_file(path), path) != path:
            strange.append(path)
    return images, strange


def _walk(folder: Path, deep: bool) -> Iterator[tuple[Path, str, str]]:
    """Path, stem and lower-case suffix of every file, as the folder knows them."""
    try:
        # Far cheaper than to make each path of a string.
        paths = {path.name: path for path in folder.iterdir()}
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be listed ({error.strerror})") from error
    for entry in found:
        stem, suffix = os.path.splitext(entry.name)
        stem, suffix = _without_ome(stem), suffix.lower()
        if suffix in KNOWN and not stem.startswith("."):
            _refuse_odd(entry, folder)
        elif entry.is_dir(follow_symlinks=False):
            if deep:
                yield from _walk(Path(entry.path), deep)
            continue
        yield paths[entry.name], stem, suffix


def _refuse_odd(entry: os.DirEntry[str], folder: Path) -> None:
    if entry.is_symlink():
        target = Path(os.path.realpath(entry.path))  # Path.resolve raises where links go in a ring
        if folder.resolve() not in target.parents:
            raise BadInput(f"{entry.path}: a link out of the folder, to {target}; copy the file")
    elif not entry.is_file(follow_symlinks=False):
        raise BadInput(f"{entry.path}: not a file; expected an image; remove it")
