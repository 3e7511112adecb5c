"""Names of tiles in the SICAPv2 layout."""

from __future__ import annotations

import re

from disc.files import BadInput

GRAMMAR = "{slide}_Block_Region_{region}_{row}_{col}_xini_{x}_yini_{y}.jpg"
"""A tile's name. The slide's id has no `_`; x and y are level-0 pixels of the slide."""
_NAME = re.compile(
    r"(?P<slide>[^_/]+)_Block_Region_(?P<region>\d+)_(?P<row>\d+)_(?P<col>\d+)"
    r"_xini_(?P<x>\d+)_yini_(?P<y>\d+)"
)


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
