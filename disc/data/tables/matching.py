"""Names in a table against names of files: the one matcher of every table that people bring."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from disc.files import BadInput

_SHOWN = 10
"""Names that a note lists."""
_EXAMPLES = 3
_SUFFIXES = (
    r"(\.(ome|tiff?|svs|ndpi|mrxs|scn|bif|vms|vmu|svslide|dcm|qptiff|czi|png|jpe?g|bmp|h5))+$"
)
"""What stands behind a name, more than once in `x.ome.tiff` and `x.svs.tiff`; a dot alone is part
of it: S1.0 is no file type."""


@dataclass(frozen=True, kw_only=True)
class Matches:
    """Which row of a table each file has."""

    rows: Mapping[str, str]
    """From a file's name to the row's."""
    heads: Mapping[str, str]
    """From a file's name to the beginning of it that the row is called like."""
    notes: tuple[str, ...]
    """How rows were found where names differ, and what was left over; for people."""


def clean(text: str) -> str:
    """A name as it is compared: composed characters (NFC), without blanks around it."""
    return unicodedata.normalize("NFC", text).strip()


def stem_of(text: str) -> str:
    """What is left of a name without folders, of Windows too, and without the types of a file."""
    last = re.split(r"[/\\]", clean(text))[-1]
    return re.sub(_SUFFIXES, "", last, flags=re.IGNORECASE)


def _number_of(text: str) -> str:
    """A whole number without leading zeros, which spreadsheets drop."""
    match = re.fullmatch(r"0*(\d+)(\.0+)?", stem_of(text))
    return match[1] if match else ""


_LEVELS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", str),
    ("blanks or kinds of characters differ", clean),
    ("without folders and file types", stem_of),
    ("as whole numbers", _number_of),
)
"""How names are compared, one after the other."""


def match_names(names: Iterable[str], rows: Collection[str], table: object) -> Matches:
    """Rows of a table by name of the file that they are about.

    A row is found by its exact name, else by its stem where that is one to one.

    Args:
        names: of files, without suffix.
        rows: names in the table.
        table: how it is called in notes and errors.

    Raises:
        BadInput: if there are names and rows, and none matches.
    """
    return match_heads({name: (name,) for name in names}, rows, table)


def match_heads(
    heads: Mapping[str, Sequence[str]], rows: Collection[str], table: object
) -> Matches:
    """The same, where a row may be called like any of several beginnings of a file's name.

    Args:
        heads: by file the names that its row may have, the best first.
        rows: names in the table.
        table: how it is called in notes and errors.

    Raises:
        BadInput: if there are files and rows, and none matches.
    """
    found: dict[str, str] = {}
    chosen: dict[str, str] = {}
    notes: list[str] = []
    for how, key in _LEVELS:
        taken = set(found.values())
        left = [name for name in heads if name not in found]
        new = _match(
            {name: heads[name] for name in left}, [row for row in rows if row not in taken], key
        )
        if new and how:
            name, (row, _) = next(iter(new.items()))
            notes.append(
                f"{table}: {len(new)} name(s) match {how}, first '{row}' to the file '{name}'"
            )
        found |= {name: row for name, (row, _) in new.items()}
        chosen |= {name: head for name, (_, head) in new.items()}
    if heads and rows and not found:
        raise BadInput(
            f"{table}: no row is about any file: rows {_examples(rows)}; files {_examples(heads)}; "
            "correct the names in the table"
        )
    left_over = _left_over(heads, rows, found, table)
    return Matches(rows=found, heads=chosen, notes=(*notes, *left_over))


def _match(
    heads: Mapping[str, Sequence[str]], rows: Sequence[str], key: Callable[[str], str]
) -> dict[str, tuple[str, str]]:
    """Row and beginning, by a key that one row has alone and one beginning asks for alone."""
    by_key: dict[str, list[str]] = {}
    for row in rows:
        by_key.setdefault(key(row), []).append(row)
    found: dict[str, tuple[str, str]] = {}
    for name, beginnings in heads.items():
        for head in beginnings:
            same = by_key.get(key(head), []) if key(head) else []
            if len(same) == 1:
                found[name] = same[0], head
                break
    claims: dict[str, set[str]] = {}
    for row, head in found.values():
        claims.setdefault(row, set()).add(head)
    return {name: pair for name, pair in found.items() if len(claims[pair[0]]) == 1}


def _left_over(
    heads: Collection[str], rows: Collection[str], found: Mapping[str, str], table: object
) -> list[str]:
    taken = set(found.values())
    unlisted = sorted(name for name in heads if name not in found)
    unused = sorted(row for row in rows if row not in taken)
    notes = []
    if unlisted and rows:
        notes.append(f"{table}: {len(unlisted)} file(s) have no row: {list_some(unlisted)}")
    if unused:
        notes.append(f"{table}: {len(unused)} row(s) are about no file: {list_some(unused)}")
    return notes


def list_some(names: Sequence[str]) -> str:
    """The first names of a list, and whether there are more."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _examples(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)[:_EXAMPLES])
