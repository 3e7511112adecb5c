"""Findings about regions of a slide that show the same tissue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from disc.data.check.contents import Contents, Item
from disc.data.check.report import Case

LEVEL0 = 4
"""Level-0 pixels per tile pixel where several regions of a slide are numbered, as in SICAPv2."""


def check_regions(contents: Contents, tile_px: int) -> None:
    """Add regions of one slide whose tiles lie over each other on the scan."""
    regions: dict[str, dict[int, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in contents.items:
        if item.slide_id:
            regions[item.slide_id][item.region].append(item)
    cases = []
    for slide, by_region in sorted(regions.items()):
        for one, other in combinations(sorted(by_region), 2):
            pairs = _overlaps(by_region[one], by_region[other], LEVEL0 * tile_px)
            if pairs:
                cases.append(_case(slide, (one, other), pairs))
    contents.warning(
        "overlapping-regions",
        (
            f"{len(cases)} pair(s) of regions of a slide show the same tissue",
            "regions apart from each other on the scan (in SICAPv2, 14 pairs are not)",
            "keep them in one part; count the tissue once",
        ),
        cases,
    )


def _overlaps(ones: Sequence[Item], others: Sequence[Item], side: int) -> list[tuple[Item, Item]]:
    """Pairs of tiles that overlap, those with most in common first."""
    first, second = (np.array([(e.x, e.y) for e in group]) for group in (ones, others))
    apart = np.abs(first[:, None] - second[None]).max(-1)
    places = np.argwhere(apart < side)
    order = np.argsort(apart[tuple(places.T)], kind="stable")
    return [(ones[i], others[j]) for i, j in places[order].tolist()]


def _case(slide: str, regions: tuple[int, int], pairs: Sequence[tuple[Item, Item]]) -> Case:
    tiles = dict.fromkeys(item.image for pair in pairs for item in pair)
    note = f"slide {slide}: regions {regions[0]} and {regions[1]}, {len(tiles)} tiles"
    return Case(note=note, files=tuple(tiles), shown=tuple(item.shown for item in pairs[0]))
