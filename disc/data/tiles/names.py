"""Names of tiles in the SICAPv2 layout, and of the slides that they are called after."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from disc.data.tables.matching import clean
from disc.files import BadInput

GRAMMAR = "{slide}_Block_Region_{region}_{row}_{col}_xini_{x}_yini_{y}.jpg"
"""A tile's name. The slide's id has no `_`; x and y are level-0 pixels of the slide."""
_NAME = re.compile(
    r"(?P<slide>[^_/]+)_Block_Region_(?P<region>\d+)_(?P<row>\d+)_(?P<col>\d+)"
    r"_xini_(?P<x>\d+)_yini_(?P<y>\d+)"
)
_FOREIGN = {"Cc", "Cs", "Cn"}
"""Kinds of characters that no table and no terminal takes: controls, halves of pairs, none."""
MAX_BYTES = 180
"""Of a slide's name; tiles are called after it, and files have 255."""


def parse_name(name: str) -> re.Match[str]:
    """Parts of a tile's name (without suffix): slide, region, row, col, x, y.

    Raises:
        BadInput: if it breaks the grammar.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadInput(f"tile name '{name}' breaks the grammar {GRAMMAR}; rename or remove it")
    return match


def format_name(slide_id: str, place: tuple[int, int], x: int, y: int) -> str:
    """Name of a tile of region 0, at some row and column, whose corner is at level-0 (x, y)."""
    return f"{slide_id}_Block_Region_0_{place[0]}_{place[1]}_xini_{x}_yini_{y}"


def as_id(name: str) -> str:
    """A slide's id, of its name: as tables are read, and without what divides names of tiles."""
    return re.sub(r"[_\\]", "-", clean(name))


def join_ids(ids: Sequence[str]) -> str:
    """Ids of slides in one cell of a table: with blanks between, or JSON where an id has one.

    >>> join_ids(["a", "b"]), join_ids(["case 1", "b"])
    ('a b', '["case 1", "b"]')
    """
    text = " ".join(ids)
    is_plain = text.split() == list(ids) and not text.startswith("[")
    return text if is_plain else json.dumps(list(ids), ensure_ascii=False)


def split_ids(text: str, path: Path) -> list[str]:
    """The ids that `join_ids` wrote.

    Raises:
        BadInput: if they are not whole; of the file that they are from.
    """
    if not text.startswith("["):
        return text.split()
    try:
        return [str(name) for name in json.loads(text)]
    except ValueError:
        remedy = "expected ids with blanks between, or a JSON list; make the set again"
        raise BadInput(f"{path}: ids of slides '{text[:40]}'; {remedy}") from None


def is_foreign(text: str) -> bool:
    """Whether a text has characters that tables cannot hold."""
    return any(unicodedata.category(character) in _FOREIGN for character in text)


def find_name_fault(name: str) -> str:
    """What is wrong with a slide's name; empty: nothing."""
    if not name.strip():
        return "its name is blank; rename the file"
    if is_foreign(name):
        return "its name has characters that tables cannot hold; rename the file"
    if len(name.encode()) > MAX_BYTES:
        return f"its name has more than {MAX_BYTES} bytes, and tiles are called after it; rename it"
    return ""


def spell(name: str) -> str:
    """A name whose characters can all be written, the others by their numbers."""
    spelled = (f"%{ord(character):x}" if is_foreign(character) else character for character in name)
    return "".join(spelled)
