"""`disc check`: everything that is wrong with one data set or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from disc.data.check.contents import Contents
from disc.data.check.decode import Look, look_at_all, look_at_slide, look_at_tile
from disc.data.check.listing.others import list_source
from disc.data.check.listing.panda import list_slides
from disc.data.check.listing.sicapv2 import list_tiles
from disc.data.check.report import CheckReport, Finding, PartNumbers, SetNumbers
from disc.data.check.request import CheckRequest
from disc.data.check.rules.duplicates import find_duplicates
from disc.data.check.rules.leakage import check_generators
from disc.data.check.rules.panda import check_slides
from disc.data.check.rules.published_counts import check_sicapv2
from disc.data.check.rules.regions import check_regions
from disc.data.check.rules.split import check_parts, count_parts
from disc.data.check.rules.synthetic import check_synthetic
from disc.data.check.rules.tiles import check_tiles, common_size, label_by_masks
from disc.data.readers.read import recognise
from disc.data.readers.source import Kind, Source
from disc.data.trained_on import read_trained_on
from disc.files import BadInput


def check_sets(request: CheckRequest) -> CheckReport:
    """Check every file of the data sets, and the sets against each other.

    Raises:
        FileNotFoundError: if a folder is missing, or holds no data set, or no trained denoiser.
        BadInput: if a table without which nothing can be read is damaged.
    """
    generators = [(folder, read_trained_on(folder)) for folder in request.generators]
    names = name_sets(request.roots)
    kinds = _decide_kinds(request)
    sources = _describe(request, kinds)
    sets = [_list(sources[root], kinds[root], names[root]) for root in request.roots]
    looks = [_look(contents, request.processes) for contents in sets]
    for number, (contents, seen) in enumerate(zip(sets, looks, strict=True)):
        check_generators(contents, generators)
        if contents.kind == "panda":
            check_slides(contents, seen)
            continue
        label_by_masks(contents, seen)
        check_tiles(contents, seen)
        check_parts(contents)
        check_regions(contents, (common_size(seen) or (0, 0))[0])
        check_sicapv2(contents)
        check_synthetic(contents, [*sets[:number], *sets[number + 1 :]])
    found = [finding for contents in sets for finding in contents.findings]
    found += find_duplicates(list(zip(sets, looks, strict=True)))
    numbers = [_count(contents, seen) for contents, seen in zip(sets, looks, strict=True)]
    return CheckReport(
        sets=numbers,
        findings=_in_order(found, list(names.values())),
        meanings={contents.root: contents.meaning for contents in sets},
    )


def name_sets(roots: Sequence[Path]) -> dict[Path, str]:
    """Short names of data sets: the ends of their paths in which they differ."""
    parts = {root: root.resolve().parts for root in roots}
    for length in range(1, max(len(path) for path in parts.values()) + 1):
        names = {root: "/".join(path[-length:]) for root, path in parts.items()}
        if len(set(names.values())) == len(roots):
            return names
    return {root: str(root) for root in roots}


def _decide_kinds(request: CheckRequest) -> dict[Path, Kind]:
    """How each folder is laid out: as was said of it, or as its files say."""
    words = request.kinds * (len(request.roots) // len(request.kinds))
    pairs = zip(request.roots, words, strict=True)
    return {root: recognise(root) if word == "auto" else word for root, word in pairs}


def _describe(request: CheckRequest, kinds: Mapping[Path, Kind]) -> dict[Path, Source]:
    """What the request says of each set: its options describe folders or, without one, LAPC."""
    named = ("images", "masks", "values", "slides")
    options = {name: getattr(request, name) for name in named if getattr(request, name)}
    described = "folder" if "folder" in kinds.values() else "lapc"
    if options and described not in kinds.values():
        raise BadInput(
            f"{', '.join(f'--{name}' for name in options)}: for sets of kind lapc or folder; these "
            f"are {', '.join(dict.fromkeys(kinds.values()))}; say with --kind what they are"
        )
    sources = {root: Source(root=root, kind=kind) for root, kind in kinds.items()}
    return {
        root: replace(source, **options) if source.kind == described else source
        for root, source in sources.items()
    }


def _list(source: Source, kind: Kind, name: str) -> Contents:
    if kind == "panda":
        return list_slides(source.root, name)
    if kind == "sicapv2":
        return list_tiles(source.root, name)
    return list_source(source, kind, name)


def _look(contents: Contents, processes: int) -> list[Look]:
    look: Callable[[Path, Path | None], Look] = partial(look_at_tile, meaning=contents.meaning)
    if contents.kind == "panda":
        look = look_at_slide
    tasks = [(item.image, item.mask) for item in contents.items]
    return look_at_all(tasks, look, name=contents.name, processes=processes)


def _count(contents: Contents, looks: Sequence[Look]) -> SetNumbers:
    size = common_size(looks)
    listed = {name for part in contents.parts.values() for name in part}
    slides = {item.slide_id for item in contents.items if item.slide_id}
    is_readable = [look.image.size is not None and not look.image.fault for look in looks]
    is_flat = [look.fingerprint is None for look in looks]
    pixels: Counter[int] = Counter()
    for look in looks:
        pixels.update(look.values)
    return SetNumbers(
        name=contents.name,
        root=contents.root,
        kind=contents.kind,
        tile_px=size[0] if size and contents.kind != "panda" else None,
        images=sum(not item.rater for item in contents.items),
        masks=contents.num_masks,
        slides=len(slides),
        patients=len({contents.slides[s].patient_id for s in slides if s in contents.slides}),
        unlisted=sum(item.name not in listed for item in contents.items if contents.parts),
        flat=sum(a and b for a, b in zip(is_readable, is_flat, strict=True)),
        not_images=contents.not_images,
        pixels={str(value): pixels[value] for value in sorted(pixels)},
        parts=_count_balance(contents),
    )


def _count_balance(contents: Contents) -> dict[str, PartNumbers]:
    """How much is in each part; of sets without parts, in all."""
    if contents.parts or contents.kind not in {"lapc", "folder"}:
        return count_parts(contents)
    whole = {item.name: item.label for item in contents.items if not item.rater}
    return count_parts(replace(contents, parts={"all tiles": whole}))


def _in_order(findings: Sequence[Finding], names: Sequence[str]) -> list[Finding]:
    """Errors first; then as the data sets were given, and across sets last."""
    places: Mapping[str, int] = {name: number for number, name in enumerate(names)}
    return sorted(
        findings, key=lambda f: (f.severity != "error", places.get(f.data_set, len(names)))
    )
