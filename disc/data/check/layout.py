"""A set in the SICAPv2 layout: files and workbooks, listed without stopping at the first fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from disc.data.check.findings import Case
from disc.data.check.listing import Entry, Listing
from disc.data.sicapv2 import GRAMMAR, find_root, parse_name
from disc.data.sicapv2_tables import read_slides, read_tile_labels
from disc.data.workbooks import read_table
from disc.files import BadInput, read_json
from disc.labels import Label

_FOLDS = [f"Validation/Val{number}" for number in range(1, 5)]
OFFICIAL_BOOKS = [f"{folder}/{part}" for folder in ("Test", *_FOLDS) for part in ("Train", "Test")]
"""Workbooks of SICAPv2, without the Cribriform ones."""
_Table = TypeVar("_Table")


def list_tiles(root: Path, name: str) -> Listing:
    """List a set in the SICAPv2 layout.

    Raises:
        FileNotFoundError: if there is no such set.
    """
    root = find_root(root)
    facts = _read_facts(root)
    listing = Listing(
        name=name,
        root=root,
        kind="sicapv2",
        is_official=not facts and not (root / "manifest.parquet").exists(),
        is_by_position=bool(facts.get("is_split_by_position")),
    )
    _read_books(listing)
    _read_slides(listing)
    _list_files(listing)
    _compare(listing)
    return listing


def _read_facts(root: Path) -> dict[str, Any]:
    try:
        return dict(read_json(root / "set.json"))
    except (FileNotFoundError, BadInput, TypeError, ValueError):
        return {}


def _read_books(listing: Listing) -> None:
    folder = listing.root / "partition"
    found = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.xlsx")}
    wanted = OFFICIAL_BOOKS if listing.is_official else _partners(found)
    missing = [folder / f"{book}.xlsx" for book in wanted if book not in found]
    listing.error(
        "missing-workbook",
        (
            f"{len(missing)} workbook(s) of the partition are missing",
            "Train.xlsx and Test.xlsx of each division",
            "restore them; the parts of the split are read from them",
        ),
        [Case(note=path.name, files=(path,)) for path in missing],
    )
    for book in sorted(found):
        if not book.endswith("Cribfriform"):
            path = folder / f"{book}.xlsx"
            labels = _try(listing, path, read_tile_labels)
            listing.parts[book] = labels or {}
            if listing.is_official and labels:
                listing.cribriform |= _count_cribriform(path, book)


def _partners(found: set[str]) -> list[str]:
    """What a set of our own needs: some part, and both parts of a fold."""
    folds = sorted({book.rpartition("/")[0] for book in found if book.startswith("Validation/")})
    any_part = [] if found & {"Test/Train", "Test/Test"} else ["Test/Train", "Test/Test"]
    return any_part + [f"{fold}/{part}" for fold in folds for part in ("Train", "Test")]


def _count_cribriform(path: Path, book: str) -> dict[str, int]:
    try:
        rows = read_table(path, ["G4C"])
    except BadInput:
        return {}
    return {book: sum(str(row["G4C"]).strip() in {"1", "1.0"} for row in rows)}


def _read_slides(listing: Listing) -> None:
    slides = _try(listing, listing.root / "wsi_labels.xlsx", read_slides)
    listing.slides = dict(slides or {})


def _try(listing: Listing, path: Path, read: Callable[[Path], _Table]) -> _Table | None:
    """Read a workbook; what its reader refuses is a finding."""
    try:
        return read(path)
    except (BadInput, OSError) as error:
        found = " ".join(str(error).split()).removeprefix(f"{path}: ")
        text = (found, "a workbook as SICAPv2 has them", "correct the workbook, then check again")
        listing.error("bad-workbook", text, [Case(files=(path,))])
        return None


def _list_files(listing: Listing) -> None:
    images, other_images = _sort_files(listing.root / "images", ".jpg")
    masks, other_masks = _sort_files(listing.root / "masks", ".png")
    others = [*other_images, *other_masks]
    listing.not_images, listing.num_masks = len(others), len(masks)
    labels = _labels(listing)
    listing.entries = [_entry(name, path, masks, labels) for name, path in images.items()]
    listing.warning(
        "not-a-tile",
        (
            f"{len(others)} file(s) that are no tiles",
            ".jpg in images/, .png in masks/",
            "remove them; they are not read",
        ),
        [Case(note=path.name, files=(path,)) for path in others],
    )
    strays = sorted(set(masks) - set(images))
    listing.warning(
        "mask-without-image",
        (
            f"{len(strays)} mask(s) without an image",
            "images/ and masks/ with the same names",
            "restore the images, or remove the masks",
        ),
        [Case(note=name, files=(masks[name],)) for name in strays],
    )


def _sort_files(folder: Path, suffix: str) -> tuple[dict[str, Path], list[Path]]:
    """Tiles by stem, and what else lies in the folder."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    tiles = {p.stem: p for p in paths if p.suffix == suffix and not p.name.startswith(".")}
    kept = set(tiles.values())
    return tiles, [path for path in paths if path not in kept]


def _labels(listing: Listing) -> dict[str, Label]:
    """Label of every listed tile; a contradiction between workbooks is a finding."""
    labels: dict[str, Label] = {}
    cases = []
    for book, part in listing.parts.items():
        path = listing.root / "partition" / f"{book}.xlsx"
        for name, label in part.items():
            known = labels.setdefault(name, label)
            if known != label:
                cases.append(Case(note=f"{name}: {known.name} and {label.name}", files=(path,)))
    listing.error(
        "contradicting-labels",
        (
            f"{len(cases)} row(s) that give a tile another label than another workbook",
            "one label for a tile, in all workbooks",
            "correct the workbooks",
        ),
        cases,
    )
    return labels


def _entry(name: str, path: Path, masks: Mapping[str, Path], labels: Mapping[str, Label]) -> Entry:
    label, mask = labels.get(name), masks.get(name)
    try:
        match = parse_name(name)
    except BadInput:
        return Entry(name=name, image=path, mask=mask, label=label)
    return Entry(
        name=name,
        image=path,
        mask=mask,
        slide_id=match["slide"],
        region=int(match["region"]),
        x=int(match["x"]),
        y=int(match["y"]),
        label=label,
    )


def _compare(listing: Listing) -> None:
    """Names, files and workbooks against each other."""
    entries = listing.entries
    misnamed = [entry for entry in entries if not entry.slide_id]
    listing.error(
        "bad-name",
        (
            f"{len(misnamed)} tile(s) whose names break the grammar",
            GRAMMAR,
            "rename or remove them",
        ),
        [entry.case(entry.image.name) for entry in misnamed],
    )
    _report_missing(listing)
    known = set(listing.slides)
    strangers = sorted({entry.slide_id for entry in entries if entry.slide_id} - known)
    first = {entry.slide_id: entry for entry in reversed(entries)}
    listing.error(
        "unknown-slide",
        (
            f"{len(strangers)} slide(s) of images/ are not in wsi_labels.xlsx",
            "a row for every slide (grades may be empty)",
            "add the rows: without them nobody knows the patient",
        ),
        [Case(note=name, files=(first[name].image,)) for name in strangers] if known else [],
    )
    unlisted = [entry for entry in entries if entry.label is None]
    listing.warning(
        "unlisted-tiles",
        (
            f"{len(unlisted)} tile(s) in no workbook",
            "every tile in a part of the split",
            "nothing, if they are unlabelled on purpose (SICAPv2 has 6,702): nobody reads them",
        ),
        [entry.case(entry.name) for entry in unlisted],
    )


def _report_missing(listing: Listing) -> None:
    """Listed tiles without image or mask, and images without mask."""
    present = {entry.name: entry for entry in listing.entries}
    listed = {name: book for book, part in listing.parts.items() for name in part}
    gone = sorted(set(listed) - set(present))
    folder = listing.root / "images"
    listing.error(
        "missing-image",
        (
            f"{len(gone)} tile(s) of the workbooks have no image",
            "an image for every row",
            "restore the images, or remove the rows",
        ),
        [
            Case(note=f"{name} (in {listed[name]})", files=(folder / f"{name}.jpg",))
            for name in gone
        ],
    )
    bare = [entry for entry in listing.entries if entry.mask is None]
    expected = "masks/<name>.png beside images/<name>.jpg"
    for is_listed, add in ((True, listing.error), (False, listing.warning)):
        chosen = [entry for entry in bare if (entry.label is not None) == is_listed]
        which = "listed" if is_listed else "unlisted"
        add(
            "missing-mask",
            (f"{len(chosen)} {which} tile(s) without a mask", expected, "restore the masks"),
            [entry.case(entry.name) for entry in chosen],
        )
