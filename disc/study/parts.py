"""Parts of a study (a cell, a set, an encoder, features): done once, and whole when read again."""

from __future__ import annotations

from collections.abc import Mapping
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

MADE = "made of "
"""How markers begin that say what a part is made from."""


def is_kept(place: Path, last: str, key: str) -> bool:
    """Whether a part is done; what it left is compared with what it noted.

    Args:
        place: its folder.
        last: the file that is written last; of a part from before files were noted, it alone
            tells that it is done.
        key: what it is made from; one that was made, or begun, from something else is refused.

    Raises:
        BadInput: if a file is missing or changed, or it was made from something else.
    """
    refuse_other({place: key})
    if has_marker(place, DONE):
        check_files(place)
        return True
    return is_unnoted(place) and stands(place / last)


def is_unnoted(place: Path) -> bool:
    """Whether a folder holds files of a study from before files were noted."""
    return holds_files(place) and not any(has_marker(place, name) for name in (BEGUN, DONE))


def refuse_other(keys: Mapping[Path, str]) -> None:
    """See that no part was made, or begun, from something else than today.

    Args:
        keys: folders of parts, and what each is made from today.

    Raises:
        BadInput: with the first folder, and how many more there are.
    """
    others = [place for place, key in keys.items() if _made_from(place) not in (None, key)]
    if not others:
        return
    more = f", and {len(others) - 1} more of {len(keys)} such folders" if others[1:] else ""
    some = "them" if more else "the folder"
    raise BadInput(
        f"{others[0]}{more}: made with other weights, tiles or settings; bring these back, or "
        f"delete {some}: the same command makes {'them' if more else 'it'} again, and names what "
        "was made from it and must go, too"
    )


def _made_from(place: Path) -> str | None:
    """What a part says that it was made from; None: it says nothing."""
    said = ""
    if has_marker(place, DONE):
        said = read_done(place).config
    elif has_marker(place, BEGUN):
        said = read_begun(place).config
    # markers of before say the folder's name alone
    return said if said.startswith(MADE) else None


def made_of(*facts: object) -> str:
    """What the marker of a part says that it was made from."""
    return MADE + digest(facts)


def begin_growing(keys: Mapping[Path, str]) -> None:
    """Compare what stands in folders that files are added to; new ones are marked as begun.

    Args:
        keys: the folders, and what makes the files of each; those of another are refused.

    Raises:
        BadInput: if a file is missing or changed, or something else made it.
    """
    refuse_other({place: key for place, key in keys.items() if holds_files(place)})
    for place, key in keys.items():
        if is_unnoted(place):
            continue
        check_files(place)
        if not holds_files(place):
            write_begun(place, {"config": key})


def end_growing(keys: Mapping[Path, str]) -> None:
    """Note what was added to folders; those from before files were noted stay what they are."""
    for place, key in keys.items():
        if not is_unnoted(place):
            note_files(place, key)


def part_key(place: Path) -> str:
    """What the marker of a part that is made anew by every command says: its name."""
    return digest(place.name)
