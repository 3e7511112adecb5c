"""Findings about pictures that come twice, within a set and across sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from disc.data.check.contents import Contents, Item
from disc.data.check.decode import Look
from disc.data.check.fingerprints import find_same
from disc.data.check.report import Case, Finding, Severity
from disc.data.check.rules.split import TEST, rivals


@dataclass(frozen=True)
class _Place:
    """An image and the set that it is in."""

    contents: Contents
    item: Item

    @property
    def books(self) -> set[str]:
        """The parts that it is in."""
        parts = self.contents.parts
        return {book for book, part in parts.items() if self.item.name in part}


def find_duplicates(sets: Sequence[tuple[Contents, Sequence[Look]]]) -> list[Finding]:
    """Pictures that are the same up to flips, rotations, compression and size.

    An error where one of them trains and another tests, else a warning.
    """
    places, prints = [], []
    for contents, looks in sets:
        for item, look in zip(contents.items, looks, strict=True):
            if look.fingerprint is not None and not item.rater:
                places.append(_Place(contents, item))
                prints.append(look.fingerprint)
    if not prints:
        return []
    cases: dict[tuple[str, str, Severity], list[Case]] = defaultdict(list)
    for group in find_same(np.stack(prints)):
        members = [places[i] for i in group]
        cases[_sort(members)].append(_case(members))
    return [_finding(*key, found) for key, found in sorted(cases.items())]


def _sort(members: Sequence[_Place]) -> tuple[str, str, Severity]:
    """Kind, data sets, and severity of a group of the same pictures."""
    names = " and ".join(dict.fromkeys(place.contents.name for place in members))
    if len({place.contents.name for place in members}) > 1:
        leaks = any(_leaks_across(*pair) for pair in combinations(members, 2))
        return "duplicate-across-sets", names, "error" if leaks else "warning"
    pairs = list(rivals(members[0].contents.parts))
    for one, other in combinations([place.books for place in members], 2):
        if any(_parts(one, other, pair) or _parts(other, one, pair) for pair in pairs):
            return "duplicate-across-parts", names, "error"
    return "duplicate", names, "warning"


def _parts(one: set[str], other: set[str], pair: tuple[str, str]) -> bool:
    """Whether two pictures are in the two parts of a pair."""
    return pair[0] in one and pair[1] in other


def _leaks_across(one: _Place, other: _Place) -> bool:
    """Whether a test picture of one set trains in the other."""
    if one.contents is other.contents:
        return False
    first, second = one.books, other.books
    return (TEST in first and bool(second - {TEST})) or (TEST in second and bool(first - {TEST}))


def _case(members: Sequence[_Place]) -> Case:
    texts = []
    for place in members:
        books = sorted(book for book in place.books if book.startswith("Test/"))
        texts.append(f"{place.item.name} ({', '.join(books) or 'in no part'})")
    return Case(
        note=" = ".join(texts),
        files=tuple(place.item.image for place in members),
        shown=tuple(place.item.shown for place in members[:4]),
    )


def _finding(kind: str, names: str, severity: Severity, cases: Sequence[Case]) -> Finding:
    num = sum(len(case.files) for case in cases)
    where = {
        "duplicate": "in a set, though not in two parts",
        "duplicate-across-parts": "in two parts of the split",
        "duplicate-across-sets": "in two data sets",
    }[kind]
    return Finding(
        severity=severity,
        kind=kind,
        data_set=names,
        found=f"{len(cases)} picture(s) that come more than once {where} ({num} files)",
        expected="each picture once (flipped, rotated, compressed and shrunk copies count)",
        action="keep one of each; check which slide and patient it belongs to",
        cases=cases,
    )
