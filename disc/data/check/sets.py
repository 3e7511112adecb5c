"""`disc check`: everything that is wrong with one data set or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from disc.data.check.duplicates import find_duplicates
from disc.data.check.findings import CheckReport, Finding, SetNumbers
from disc.data.check.known import check_sicapv2
from disc.data.check.layout import list_tiles
from disc.data.check.listing import Listing
from disc.data.check.looking import Look, look_at_all, look_at_tile
from disc.data.check.panda import IMAGES, TABLE, check_slides, list_slides, look_at_slide
from disc.data.check.parts import check_parts, count_parts
from disc.data.check.regions import check_regions
from disc.data.check.request import CheckRequest
from disc.data.check.synthetic import check_synthetic
from disc.data.check.tiles import check_tiles, common_size


def check_sets(request: CheckRequest) -> CheckReport:
    """Look at every file of the data sets, and at the sets beside each other.

    Raises:
        FileNotFoundError: if a folder is missing, or holds no data set.
        BadInput: if a table without which nothing can be read is damaged.
    """
    names = name_sets(request.roots)
    listings = [_list(root, names[root], request.kind) for root in request.roots]
    looks = [_look(listing, request.processes) for listing in listings]
    for number, (listing, seen) in enumerate(zip(listings, looks, strict=True)):
        if listing.kind == "panda":
            check_slides(listing, seen)
            continue
        check_tiles(listing, seen)
        check_parts(listing)
        check_regions(listing, (common_size(seen) or (0, 0))[0])
        check_sicapv2(listing)
        check_synthetic(listing, [*listings[:number], *listings[number + 1 :]])
    found = [finding for listing in listings for finding in listing.findings]
    found += find_duplicates(list(zip(listings, looks, strict=True)))
    numbers = [_count(listing, seen) for listing, seen in zip(listings, looks, strict=True)]
    return CheckReport(sets=numbers, findings=_in_order(found, list(names.values())))


def name_sets(roots: Sequence[Path]) -> dict[Path, str]:
    """Short names of data sets: the ends of their paths in which they differ."""
    parts = {root: root.resolve().parts for root in roots}
    for length in range(1, max(len(path) for path in parts.values()) + 1):
        names = {root: "/".join(path[-length:]) for root, path in parts.items()}
        if len(set(names.values())) == len(roots):
            return names
    return {root: str(root) for root in roots}


def _list(root: Path, name: str, kind: str) -> Listing:
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give the folder of a data set")
    is_panda = (root / TABLE).exists() and (root / IMAGES).is_dir()
    if kind == "panda" or (kind == "auto" and is_panda):
        return list_slides(root, name)
    return list_tiles(root, name)


def _look(listing: Listing, processes: int) -> list[Look]:
    look = look_at_slide if listing.kind == "panda" else look_at_tile
    tasks = [(entry.image, entry.mask) for entry in listing.entries]
    return look_at_all(tasks, look, name=listing.name, processes=processes)


def _count(listing: Listing, looks: Sequence[Look]) -> SetNumbers:
    size = common_size(looks)
    slides = {entry.slide_id for entry in listing.entries if entry.slide_id}
    is_readable = [look.image.size is not None and not look.image.fault for look in looks]
    is_flat = [look.fingerprint is None for look in looks]
    pixels: Counter[int] = Counter()
    for look in looks:
        pixels.update(look.values)
    return SetNumbers(
        name=listing.name,
        root=listing.root,
        kind=listing.kind,
        tile_px=size[0] if size and listing.kind != "panda" else None,
        images=len(listing.entries),
        masks=listing.num_masks,
        slides=len(slides),
        patients=len({listing.slides[s].patient_id for s in slides if s in listing.slides}),
        unlisted=sum(entry.label is None for entry in listing.entries if listing.parts),
        flat=sum(a and b for a, b in zip(is_readable, is_flat, strict=True)),
        not_images=listing.not_images,
        pixels={str(value): pixels[value] for value in sorted(pixels)},
        parts=count_parts(listing),
    )


def _in_order(findings: Sequence[Finding], names: Sequence[str]) -> list[Finding]:
    """Errors first; then as the data sets were given, and across sets last."""
    places: Mapping[str, int] = {name: number for number, name in enumerate(names)}
    return sorted(
        findings, key=lambda f: (f.severity != "error", places.get(f.data_set, len(names)))
    )
