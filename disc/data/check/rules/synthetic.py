"""Findings about synthetic sets: whether their generators saw slides that test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from disc.data.check.contents import Contents, Item
from disc.data.check.report import Case
from disc.data.check.rules.split import TEST
from disc.data.tiles.names import split_ids
from disc.files import BadInput
from disc.records.typed import read_table

MANIFEST = "manifest.parquet"
SEEN = "training_slides"
"""Column of the manifest: ids of the slides that the tile's generator saw, as `join_ids` writes."""


def check_synthetic(contents: Contents, others: Sequence[Contents]) -> None:
    """Add synthetic tiles whose generator saw a test slide of another set that is checked."""
    path = contents.root / MANIFEST
    if not path.exists():
        return
    seen = _read_manifest(contents, path)
    items = {item.name: item for item in contents.items}
    unknown = [item for name, item in items.items() if not seen.get(name)]
    contents.warning(
        "generator-unknown",
        (
            f"{len(unknown)} tile(s) of which {MANIFEST} does not say what their generator saw",
            f"a row for every tile, with {SEEN}",
            "make them again, or trust them only where nothing is tested",
        ),
        [item.case(item.name) for item in unknown],
    )
    for other in others:
        if not other.is_by_position and not (other.root / MANIFEST).exists():
            _compare(contents, other, items, seen)


def _compare(
    contents: Contents,
    real: Contents,
    items: Mapping[str, Item],
    seen: Mapping[str, frozenset[str]],
) -> None:
    tests = {name.partition("_")[0] for name in real.parts.get(TEST, {})}
    leaks: dict[str, list[Item]] = {}
    for name, item in items.items():
        for slide in seen.get(name, frozenset()) & tests:
            leaks.setdefault(slide, []).append(item)
    tiles = {item.name for found in leaks.values() for item in found}
    contents.error(
        "generator-saw-test",
        (
            f"{len(tiles)} synthetic tile(s) whose generator saw {len(leaks)} test slide(s) of "
            f"{real.name}",
            "a generator trained on slides that test nothing",
            "train the generator without them, or test on other slides",
        ),
        [_case(slide, found) for slide, found in sorted(leaks.items())],
    )


def _case(slide: str, items: Sequence[Item]) -> Case:
    return Case(
        note=f"slide {slide}: seen by the generator of {len(items)} tile(s)",
        files=tuple(item.image for item in items),
        shown=tuple(item.shown for item in items[:2]),
    )


def _read_manifest(contents: Contents, path: Path) -> dict[str, frozenset[str]]:
    """Slides that the generator of each tile saw."""
    try:
        table = read_table(path, ("tile", SEEN), "make the set again")
        # Equal for all tiles of a variant: split once.
        split = {text: frozenset(split_ids(str(text), path)) for text in table[SEEN].unique()}
    except (OSError, BadInput) as error:
        found = f"not readable, or without tile and {SEEN} ({error})"
        text = (found, f"a table with columns tile and {SEEN}", "make the set again")
        contents.error("bad-manifest", text, [Case(files=(path,))])
        return {}
    return dict(zip(table["tile"], table[SEEN].map(split), strict=True))
