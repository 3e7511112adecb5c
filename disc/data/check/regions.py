"""Findings about regions of a slide that show the same tissue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from disc.data.check.findings import Case
from disc.data.check.listing import Entry, Listing

LEVEL0 = 4
"""Level-0 pixels per tile pixel where several regions of a slide are numbered, as in SICAPv2."""


def check_regions(listing: Listing, tile_px: int) -> None:
    """Add regions of one slide whose tiles lie over each other on the scan."""
    regions: dict[str, dict[int, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in listing.entries:
        if entry.slide_id:
            regions[entry.slide_id][entry.region].append(entry)
    cases = []
    for slide, by_region in sorted(regions.items()):
        for one, other in combinations(sorted(by_region), 2):
            pairs = _overlaps(by_region[one], by_region[other], LEVEL0 * tile_px)
            if pairs:
                cases.append(_case(slide, (one, other), pairs))
    listing.warning(
        "overlapping-regions",
        (
            f"{len(cases)} pair(s) of regions of a slide show the same tissue",
            "regions apart from each other on the scan (in SICAPv2, 14 pairs are not)",
            "keep them in one part; count the tissue once",
        ),
        cases,
    )


def _overlaps(
    ones: Sequence[Entry], others: Sequence[Entry], side: int
) -> list[tuple[Entry, Entry]]:
    """Pairs of tiles that overlap, those with most in common first."""
    first, second = (np.array([(e.x, e.y) for e in group]) for group in (ones, others))
    apart = np.abs(first[:, None] - second[None]).max(-1)
    places = np.argwhere(apart < side)
    order = np.argsort(apart[tuple(places.T)], kind="stable")
    return [(ones[i], others[j]) for i, j in places[order].tolist()]


def _case(slide: str, regions: tuple[int, int], pairs: Sequence[tuple[Entry, Entry]]) -> Case:
    tiles = dict.fromkeys(entry.image for pair in pairs for entry in pair)
    note = f"slide {slide}: regions {regions[0]} and {regions[1]}, {len(tiles)} tiles"
    return Case(note=note, files=tuple(tiles), shown=tuple(entry.shown for entry in pairs[0]))
