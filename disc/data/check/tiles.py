"""Findings about single tiles: damage, sizes, mask values, labels, rims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from disc.data.check.findings import Case
from disc.data.check.listing import Entry, Listing
from disc.data.check.looking import Look, Sight
from disc.labels import GRADES, IGNORE, Label

Seen = Sequence[tuple[Entry, Look]]
_VALUES = {*GRADES.values(), IGNORE}
_REASONS = {
    "damaged": ("cannot be decoded", "whole JPEG and PNG files", "replace the files"),
    "pixel-kind": (
        "have pixels of another kind",
        "RGB images, 8-bit grey or palette masks",
        "convert the files",
    ),
}


def check_tiles(listing: Listing, looks: Sequence[Look]) -> None:
    """Add what is wrong with the tiles of a set to its findings."""
    seen = list(zip(listing.entries, looks, strict=True))
    for fault in _REASONS:
        _check_fault(listing, seen, fault)
    _check_sizes(listing, seen)
    _check_values(listing, seen)
    _check_labels(listing, seen)
    _check_rims(listing, seen)


def common_size(looks: Sequence[Look]) -> tuple[int, int] | None:
    """Width and height that most images have."""
    sizes = Counter(look.image.size for look in looks if look.image.size is not None)
    return sizes.most_common(1)[0][0] if sizes else None


def _check_fault(listing: Listing, seen: Seen, fault: str) -> None:
    what, expected, action = _REASONS[fault]
    cases = []
    for entry, look in seen:
        for path, sight in ((entry.image, look.image), (entry.mask, look.mask)):
            if path is not None and sight is not None and sight.fault == fault:
                note = f"{path.parent.name}/{path.name}: {sight.note}"
                cases.append(Case(note=note, files=(path,), shown=(entry.shown,)))
    listing.error(fault, (f"{len(cases)} file(s) {what}", expected, action), cases)


def _check_sizes(listing: Listing, seen: Seen) -> None:
    common = common_size([look for _, look in seen])
    if common is None:
        return
    other = [(e, s) for e, look in seen if _differs(s := look.image, common)]
    listing.error(
        "image-size",
        (
            f"{len(other)} image(s) of another size than most",
            f"{_text(common)}, as the other images of the set",
            "cut them to the same size, or take them out",
        ),
        [entry.case(f"{entry.name}: {_text(sight.size)}") for entry, sight in other],
    )
    unlike = [(e, look) for e, look in seen if look.mask and _differs(look.mask, look.image.size)]
    listing.error(
        "mask-size",
        (
            f"{len(unlike)} mask(s) of another size than their images",
            "image and mask of the same size",
            "replace the masks, or resize them without smoothing",
        ),
        [e.case(f"{e.name}: {_text(x.mask.size)}") for e, x in unlike if x.mask],
    )


def _differs(sight: Sight, size: tuple[int, int] | None) -> bool:
    return sight.size is not None and size is not None and sight.size != size


def _text(size: tuple[int, int] | None) -> str:
    return "unknown" if size is None else f"{size[0]} x {size[1]} px"


def _check_values(listing: Listing, seen: Seen) -> None:
    cases, found = [], set()
    for entry, look in seen:
        strange = {value: n for value, n in look.values.items() if value not in _VALUES}
        if strange:
            found |= set(strange)
            what = ", ".join(f"value {value} ({n:,} px)" for value, n in strange.items())
            cases.append(entry.case(f"{entry.name}: {what}"))
    values = ", ".join(map(str, sorted(found)[:8])) + (", ..." if len(found) > 8 else "")
    listing.error(
        "mask-value",
        (
            f"{len(cases)} mask(s) with values that mean nothing: {values}",
            "0 (Non-Cancer), 3, 4, 5 (Gleason grades) or 255 (unknown)",
            "replace the masks, or write them anew with these values",
        ),
        cases,
    )


def _check_labels(listing: Listing, seen: Seen) -> None:
    """Labels of the workbooks against the commonest grade in the mask."""
    cases = []
    for entry, look in seen:
        if entry.label is None or not look.values or set(look.values) - _VALUES:
            continue
        drawn = _commonest(look.values)
        if entry.label not in drawn:
            says = " or ".join(label.name for label in sorted(drawn))
            note = f"{entry.name}: {entry.label.name} in the workbook, {says} in the mask"
            cases.append(entry.case(note))
    listing.warning(
        "label-differs",
        (
            f"{len(cases)} tile(s) whose label is not the commonest grade of their mask",
            "the same (in SICAPv2, all but 6 tiles)",
            "look at the tiles; correct the workbook or the mask",
        ),
        cases,
    )


def _commonest(values: dict[int, int]) -> set[Label]:
    """The label that a mask asks for; several where grades have equally many pixels."""
    counts = {label: values.get(GRADES[label], 0) for label in Label if label != Label.NC}
    most = max(counts.values())
    return {label for label, count in counts.items() if count == most} if most else {Label.NC}


def _check_rims(listing: Listing, seen: Seen) -> None:
    rimmed = sorted((s for s in seen if s[1].rim_px), key=lambda s: -s[1].rim_px)
    graded = sum(look.values.get(grade, 0) for _, look in seen for grade in (3, 4, 5))
    rim = sum(look.rim_px for _, look in rimmed)
    listing.warning(
        "thin-rims",
        (
            f"{rim / max(1, graded):.2%} of the graded pixels, in {len(rimmed)} mask(s), lie in "
            "thin rims of one grade beside another",
            "rims come from smoothing, seldom from tissue",
            "look at the tiles; the reader can clean rims up",
        ),
        [entry.case(f"{entry.name}: {look.rim_px:,} px") for entry, look in rimmed],
    )
