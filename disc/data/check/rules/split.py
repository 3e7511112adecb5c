"""Findings about the parts of a split: what they have in common, and their balance of labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

from disc.data.check.contents import Contents, Item
from disc.data.check.report import Case, PartNumbers
from disc.data.readers.sicapv2_tables import LABEL_COLUMNS
from disc.labels import Label

NAMES = {label: column for column, label in LABEL_COLUMNS.items()}
"""Labels as the workbooks' columns call them."""
_MAX_UNEQUAL = 20
TEST = "Test/Test"


def rivals(parts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Pairs of parts that must share nothing: the training and validation of a fold, and the test.

    All of `Test/Train` is training for the test; folds divide it.
    """
    folds = sorted({book.rpartition("/")[0] for book in parts if book.startswith("Validation/")})
    wanted = [("Test/Train", TEST)]
    for fold in folds:
        train, val = f"{fold}/Train", f"{fold}/Test"
        wanted += [(train, val), (train, TEST), (val, TEST)]
    return ((one, other) for one, other in wanted if one in parts and other in parts)


def check_parts(contents: Contents) -> None:
    """Add what is wrong with the split of a set to its findings."""
    slides = {item.name: item.slide_id for item in contents.items}
    owners = {name: _slide_of(name, slides) for part in contents.parts.values() for name in part}
    patients = {slide.slide_id: slide.patient_id for slide in contents.slides.values()}
    _check_shared(contents, "tile", lambda name: name)
    if not contents.is_by_position:
        _check_shared(contents, "slide", lambda name: owners[name])
        _check_shared(contents, "patient", lambda name: patients.get(owners[name], ""))
    _check_balance(contents)


def count_parts(contents: Contents) -> dict[str, PartNumbers]:
    """How much is in each part."""
    owners = {item.name: item.slide_id for item in contents.items}
    return {book: _count(contents, book, owners) for book in contents.parts}


def _count(contents: Contents, book: str, owners: Mapping[str, str]) -> PartNumbers:
    part = contents.parts[book]
    slides = {_slide_of(name, owners) for name in part}
    labels = Counter(part.values())
    named = {NAMES[label]: labels[label] for label in Label}
    if book in contents.cribriform:
        named["G4C"] = contents.cribriform[book]
    patients = {contents.slides[name].patient_id for name in slides if name in contents.slides}
    return PartNumbers(tiles=len(part), slides=len(slides), patients=len(patients), labels=named)


def _slide_of(name: str, known: Mapping[str, str]) -> str:
    return known.get(name) or name.partition("_")[0]


def _check_shared(contents: Contents, what: str, key: Callable[[str], str]) -> None:
    """What two parts that must share nothing have in common."""
    members = {book: _group(part, key) for book, part in contents.parts.items()}
    shared: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for pair in rivals(contents.parts):
        for name in set(members[pair[0]]) & set(members[pair[1]]) - {""}:
            shared[name].append(pair)
    items = {item.name: item for item in contents.items}
    cases = []
    for name, pairs in sorted(shared.items()):
        books = dict.fromkeys(book for pair in pairs for book in pair)
        tiles = [[t for t in members[book][name] if t in items] for book in books]
        where = "; ".join(f"{one} and {other}" for one, other in pairs)
        found = [items[tile] for tile in dict.fromkeys(t for part in tiles for t in part)]
        firsts = [items[tile] for tile in dict.fromkeys(part[0] for part in tiles[:2] if part)]
        cases.append(_case(f"{what} {name}: in {where}", found, firsts))
    contents.error(
        f"shared-{what}",
        (
            f"{len(cases)} {what}(s) in two parts of the split",
            f"each {what} in one part; else memorised tissue counts as skill",
            "move the rows so that each patient is in one part",
        ),
        cases,
    )


def _group(names: Mapping[str, Label | None], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return groups


def _case(note: str, items: list[Item], firsts: list[Item]) -> Case:
    shown = tuple(item.shown for item in firsts)
    return Case(note=note, files=tuple(item.image for item in items), shown=shown)


def _check_balance(contents: Contents) -> None:
    """Labels that a part lacks, or has far fewer tiles of than of another."""
    known = {label for part in contents.parts.values() for label in part.values()} - {None}
    cases = []
    for book, part in contents.parts.items():
        counts = Counter(part.values())
        numbers = [counts[label] for label in known]
        if not any(numbers) or max(numbers) <= _MAX_UNEQUAL * min(numbers):
            continue
        note = f"{book}: " + ", ".join(f"{NAMES[label]} {counts[label]}" for label in Label)
        cases.append(Case(note=note, files=(contents.root / "partition" / f"{book}.xlsx",)))
    contents.warning(
        "label-balance",
        (
            f"{len(cases)} part(s) lack a label, or have over {_MAX_UNEQUAL} times as many tiles "
            "of one as of another",
            "every label in every part",
            "nothing, if there are no more such tiles; a label without test tiles has no score",
        ),
        cases,
    )
