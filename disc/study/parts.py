"""Parts of a study (a cell, a set, an encoder, features): done once, and whole when read again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from disc.files import BadInput, digest, holds_files
from disc.records.listing import BEGUN, DONE
from disc.records.markers import (
    check_files,
    has_marker,
    note_files,
    read_begun,
    read_done,
    write_begun,
)
from disc.records.typed import stands


def is_kept(place: Path, last: str) -> bool:
    """Whether a part is done; what it left is compared with what it noted.

    Args:
        place: its folder.
        last: the file that is written last; of a part from before files were noted, it alone
            tells that it is done.

    Raises:
        BadInput: if a file is missing or changed.
    """
    if has_marker(place, DONE):
        check_files(place)
        return True
    return is_unnoted(place) and stands(place / last)


def is_unnoted(place: Path) -> bool:
    """Whether a folder holds files of a study from before files were noted."""
    return holds_files(place) and not any(has_marker(place, name) for name in (BEGUN, DONE))


def begin_growing(places: Iterable[Path], key: str) -> None:
    """Compare what stands in folders that files are added to; new ones are marked as begun.

    Args:
        places: the folders.
        key: of what makes the files; those of another are refused.

    Raises:
        BadInput: if a file is missing or changed, or something else made it.
    """
    for place in places:
        if is_unnoted(place):
            continue
        check_files(place)
        if not holds_files(place):
            write_begun(place, {"config": key})
        elif (read_done if has_marker(place, DONE) else read_begun)(place).config != key:
            raise BadInput(
                f"{place}: made with other weights; bring these back, or delete the folder: the "
                "same command makes it again"
            )


def end_growing(places: Iterable[Path], key: str) -> None:
    """Note what was added to folders; those from before files were noted stay what they are."""
    for place in places:
        if not is_unnoted(place):
            note_files(place, key)


def part_key(place: Path) -> str:
    """What markers say of a part's folder: its name."""
    return digest(place.name)
