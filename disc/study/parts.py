"""Parts of a study (a cell, a set, an encoder, features): done once, and whole when read again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from disc.files import digest, holds_files
from disc.records.listing import BEGUN, DONE
from disc.records.markers import check_files, has_marker, note_files, write_begun
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


def begin_growing(places: Iterable[Path]) -> None:
    """Compare what stands in folders that files are added to; new ones are marked as begun.

    Raises:
        BadInput: if a file is missing or changed.
    """
    for place in places:
        if has_marker(place, DONE):
            check_files(place)
        elif not is_unnoted(place):
            write_begun(place, {"config": part_key(place)})


def end_growing(places: Iterable[Path]) -> None:
    """Note what was added to folders; those from before files were noted stay what they are."""
    for place in places:
        if not is_unnoted(place):
            note_files(place, part_key(place))


def part_key(place: Path) -> str:
    """What markers say of a part's folder: its name."""
    return digest(place.name)
