"""A set in the SICAPv2 layout: files and workbooks, listed without stopping at the first fault."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from disc.data.check.contents import Contents, Item
from disc.data.check.listing.workbooks import merge_labels, read_books
from disc.data.check.report import Case
from disc.data.pixels.mask_values import SICAPV2
from disc.data.readers.sicapv2 import find_root, read_facts
from disc.data.readers.sicapv2_masks import decide_meaning
from disc.data.tables.image_files import IMAGES, sort_files
from disc.data.tiles.names import GRAMMAR, parse_name
from disc.files import BadInput
from disc.labels import Label


def list_tiles(root: Path, name: str) -> Contents:
    """List a set in the SICAPv2 layout.

    Raises:
        FileNotFoundError: if there is no such set.
    """
    root = find_root(root)
    facts, fault = _read_facts(root)
    contents = Contents(
        name=name,
        root=root,
        kind="sicapv2",
        is_official=not facts and not fault and not (root / "manifest.parquet").exists(),
        is_by_position=bool(facts.get("is_split_by_position")),
    )
    contents.error(
        "set-facts",
        (
            "a set.json that no command takes",
            "an object of facts about the set, with sizes and scales above 0",
            "correct it, or delete it",
        ),
        [Case(note=fault, files=(root / "set.json",))] if fault else [],
    )
    read_books(contents)
    _list_files(contents)
    _compare(contents)
    return contents


def _read_facts(root: Path) -> tuple[dict[str, Any], str]:
    """What `set.json` says, and what is wrong with it, in a line."""
    try:
        return read_facts(root), ""
    except BadInput as error:
        return {}, str(error)


def _list_files(contents: Contents) -> None:
    images, strange_images = sort_files(contents.root / "images", IMAGES)
    masks, strange_masks = sort_files(contents.root / "masks", {".png", ".jpg"})
    strange = [*strange_images, *strange_masks]
    contents.not_images, contents.num_masks = len(strange), len(masks)
    labels = merge_labels(contents)
    contents.items = [_item(name, path, masks, labels) for name, path in images.items()]
    contents.warning(
        "not-a-tile",
        (
            f"{len(strange)} file(s) that are no tiles",
            "images in images/, .png in masks/, each name once",
            "remove them; they are not read",
        ),
        [Case(note=path.name, files=(path,)) for path in strange],
    )
    strays = sorted(set(masks) - set(images))
    contents.warning(
        "mask-without-image",
        (
            f"{len(strays)} mask(s) without an image",
            "images/ and masks/ with the same names",
            "restore the images, or remove the masks",
        ),
        [Case(note=name, files=(masks[name],)) for name in strays],
    )
    _check_links(contents, [*images.values(), *masks.values()])
    if contents.is_official:
        _decide_meaning(contents, masks, labels)


def _check_links(contents: Contents, paths: Iterable[Path]) -> None:
    root = contents.root.resolve()
    # Path.resolve raises where links go in a ring
    ends = {path: Path(os.path.realpath(path)) for path in paths if path.is_symlink()}
    links = {path: end for path, end in ends.items() if root not in end.parents}
    contents.error(
        "link",
        (
            f"{len(links)} file(s) are links out of the folder",
            "files that are in the set",
            "copy the files; whoever gets the set gets no file behind a link",
        ),
        [Case(note=f"{path.name} -> {end}", files=(path,)) for path, end in links.items()],
    )


def _decide_meaning(
    contents: Contents, masks: Mapping[str, Path], labels: Mapping[str, Label]
) -> None:
    """What mask values mean, as the reader decides it; what it warns of is a finding."""
    note = ""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            contents.meaning, text = decide_meaning(masks, labels, "auto")
        note = text if caught else ""
    except BadInput as error:
        note = str(error)
    contents.warning(
        "mask-encoding",
        (
            "masks that are not those of version 2",
            f"PNG masks of {SICAPV2} (10.17632/9xxm58dvs3.2)",
            "fetch version 2; results with other masks are not comparable",
        ),
        [Case(note=note, files=(contents.root / "masks",))] if note else [],
    )


def _item(name: str, path: Path, masks: Mapping[str, Path], labels: Mapping[str, Label]) -> Item:
    label, mask = labels.get(name), masks.get(name)
    try:
        match = parse_name(name)
    except BadInput:
        return Item(name=name, image=path, mask=mask, label=label)
    return Item(
        name=name,
        image=path,
        mask=mask,
        slide_id=match["slide"],
        region=int(match["region"]),
        x=int(match["x"]),
        y=int(match["y"]),
        label=label,
    )


def _compare(contents: Contents) -> None:
    """Names, files and workbooks against each other."""
    items = contents.items
    misnamed = [item for item in items if not item.slide_id]
    contents.error(
        "bad-name",
        (
            f"{len(misnamed)} tile(s) whose names break the grammar",
            GRAMMAR,
            "rename or remove them",
        ),
        [item.case(item.image.name) for item in misnamed],
    )
    _report_missing(contents)
    known = set(contents.slides)
    strangers = sorted({item.slide_id for item in items if item.slide_id} - known)
    first = {item.slide_id: item for item in reversed(items)}
    contents.error(
        "unknown-slide",
        (
            f"{len(strangers)} slide(s) of images/ are not in wsi_labels.xlsx",
            "a row for every slide (grades may be empty)",
            "add the rows: without them the patient is unknown",
        ),
        [Case(note=name, files=(first[name].image,)) for name in strangers] if known else [],
    )
    _report_unlabelled(contents)


def _report_unlabelled(contents: Contents) -> None:
    """Tiles that no workbook lists, or that one lists without a label."""
    items = contents.items
    listed = {name for part in contents.parts.values() for name in part}
    unlisted = [item for item in items if item.name not in listed]
    unlabelled = [item for item in items if item.name in listed and item.label is None]
    contents.warning(
        "unlabelled-tiles",
        (
            f"{len(unlabelled)} tile(s) whose row in a workbook has no label",
            "a label for every tile, where tiles train",
            "nothing, if whole slides are graded: such tiles serve for features, and as external "
            "set; a generator needs masks, and pixel-level graders need labels",
        ),
        [item.case(item.name) for item in unlabelled],
    )
    contents.warning(
        "unlisted-tiles",
        (
            f"{len(unlisted)} tile(s) in no workbook",
            "every tile in a part of the split",
            "nothing, if they are unlabelled on purpose (SICAPv2 has 6,702): they are not read",
        ),
        [item.case(item.name) for item in unlisted],
    )


def _report_missing(contents: Contents) -> None:
    """Listed tiles without image or mask, and images without mask."""
    present = {item.name: item for item in contents.items}
    listed = {name: book for book, part in contents.parts.items() for name in part}
    gone = sorted(set(listed) - set(present))
    folder = contents.root / "images"
    contents.error(
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
    unmasked = [item for item in contents.items if item.mask is None]
    expected = "masks/<name>.png beside images/<name>.jpg"
    for is_listed, add in ((True, contents.error), (False, contents.warning)):
        chosen = [item for item in unmasked if (item.label is not None) == is_listed]
        which = "listed" if is_listed else "unlisted"
        add(
            "missing-mask",
            (f"{len(chosen)} {which} tile(s) without a mask", expected, "restore the masks"),
            [item.case(item.name) for item in chosen],
        )
