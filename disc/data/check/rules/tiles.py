"""Findings about single tiles: damage, sizes, mask values, labels, boundary artefacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from disc.data.check.contents import Contents, Item
from disc.data.check.decode import Look, Sight, max_artefact_px
from disc.data.check.report import Case
from disc.data.pixels.mask_values import Meaning
from disc.labels import GRADES, IGNORE, Label

_MIN_ARTEFACT = 0.001
"""Fraction of a mask's pixels; less is what corners leave."""
Seen = Sequence[tuple[Item, Look]]
_REASONS = {
    "damaged": ("cannot be decoded", "whole JPEG and PNG files", "replace the files"),
    "pixel-kind": (
        "have pixels of another kind",
        "RGB images, 8-bit grey or palette masks",
        "convert the files",
    ),
}


def check_tiles(contents: Contents, looks: Sequence[Look]) -> None:
    """Add what is wrong with the tiles of a set to its findings."""
    seen = list(zip(contents.items, looks, strict=True))
    for fault in _REASONS:
        _check_fault(contents, seen, fault)
    check_orientation(contents, seen)
    _check_sizes(contents, seen)
    _check_values(contents, seen)
    _check_labels(contents, seen)
    _check_artefacts(contents, seen)


def label_by_masks(contents: Contents, looks: Sequence[Look]) -> None:
    """Label images that no workbook labels by the most frequent grade in their first mask."""
    if contents.kind not in {"lapc", "folder"}:
        return
    labels: dict[str, Label | None] = {}
    for number, (item, look) in enumerate(zip(contents.items, looks, strict=True)):
        drawn = _drawn(look, contents.meaning)
        if not item.rater and drawn:
            labels[item.name] = min(drawn)
            contents.items[number] = replace(item, label=labels[item.name])
    for book, part in contents.parts.items():
        contents.parts[book] = {name: labels.get(name) for name in part}


def common_size(looks: Sequence[Look]) -> tuple[int, int] | None:
    """Width and height that most images have."""
    sizes = Counter(look.image.size for look in looks if look.image.size is not None)
    return sizes.most_common(1)[0][0] if sizes else None


def _check_fault(contents: Contents, seen: Seen, fault: str) -> None:
    what, expected, action = _REASONS[fault]
    cases = []
    for item, look in seen:
        for path, sight in ((item.image, look.image), (item.mask, look.mask)):
            if item.rater and path == item.image:
                continue
            if path is not None and sight is not None and sight.fault == fault:
                note = f"{path.parent.name}/{path.name}: {sight.note}"
                cases.append(Case(note=note, files=(path,), shown=(item.shown,)))
    contents.error(fault, (f"{len(cases)} file(s) {what}", expected, action), cases)


def check_orientation(contents: Contents, seen: Seen) -> None:
    """Add files that say that they are turned to the findings of a set of tiles or slides."""
    cases = [
        Case(note=f"{path.parent.name}/{path.name}", files=(path,), shown=(item.shown,))
        for item, look in seen
        for path, sight in ((item.image, look.image), (item.mask, look.mask))
        if path is not None and sight is not None and sight.orientation != 1
        if path != item.image or not item.rater
    ]
    contents.warning(
        "turned",
        (
            f"{len(cases)} file(s) that say by EXIF, or a TIFF's tag, that they are turned",
            "upright files; disc turns them, other programs may not, and masks then lie elsewhere",
            "look whether image and mask agree; write the files upright",
        ),
        cases,
    )


def _check_sizes(contents: Contents, seen: Seen) -> None:
    common = common_size([look for _, look in seen])
    if common is None:
        return
    other = [(e, x.image) for e, x in seen if not e.rater and _differs(x.image, common)]
    # In folders of cores, for one, images differ.
    add = contents.warning if contents.kind == "folder" else contents.error
    add(
        "image-size",
        (
            f"{len(other)} image(s) of another size than most",
            f"{_text(common)}, as the other images of the set",
            "cut them to the same size, or take them out",
        ),
        [item.case(f"{item.name}: {_text(sight.size)}") for item, sight in other],
    )
    unlike = [(e, look) for e, look in seen if look.mask and _differs(look.mask, look.image.size)]
    contents.error(
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


def _check_values(contents: Contents, seen: Seen) -> None:
    cases, found = [], set()
    for item, look in seen:
        strange = {v: n for v, n in look.values.items() if v not in contents.meaning.grades}
        if strange:
            found |= set(strange)
            what = ", ".join(f"value {value} ({n:,} px)" for value, n in strange.items())
            cases.append(item.case(f"{item.name}: {what}"))
    values = ", ".join(map(str, sorted(found)[:8])) + (", ..." if len(found) > 8 else "")
    contents.error(
        "mask-value",
        (
            f"{len(cases)} mask(s) with values that mean nothing: {values}",
            f"{contents.meaning} (Non-Cancer, GG3, GG4, GG5, unknown)",
            "replace the masks, or write them anew with these values",
        ),
        cases,
    )


def _check_labels(contents: Contents, seen: Seen) -> None:
    """Labels of the workbooks against the most frequent grade in the mask."""
    cases, blank = [], []
    for item, look in seen:
        known = contents.meaning.grades
        if item.label is None or not look.values or set(look.values) - set(known):
            continue
        drawn = _drawn(look, contents.meaning)
        if not drawn:
            blank.append(item.case(f"{item.name}: {item.label.name}, nothing in the mask"))
        elif item.label not in drawn:
            says = " or ".join(label.name for label in sorted(drawn))
            note = f"{item.name}: {item.label.name} in the workbook, {says} in the mask"
            cases.append(item.case(note))
    contents.warning(
        "label-differs",
        (
            f"{len(cases)} tile(s) whose label is not the most frequent grade of their mask",
            "the same (in SICAPv2, all but 6 tiles)",
            "look at the tiles; correct the workbook or the mask",
        ),
        cases,
    )
    contents.warning(
        "unknown-masks",
        (
            f"{len(blank)} tile(s) that have a label, and a mask that is unknown everywhere",
            "masks, which a generator and pixel-level graders learn from",
            "nothing, if the set serves for tile labels and whole slides alone",
        ),
        blank,
    )


def _drawn(look: Look, meaning: Meaning) -> set[Label]:
    """The label, or labels, of a mask; none, where all of it is unknown."""
    grades = _by_grade(look.values, meaning)
    return _most_frequent(grades) if grades.total() > grades[IGNORE] else set()


def _by_grade(values: Mapping[int, int], meaning: Meaning) -> Counter[int]:
    """Pixels by grade."""
    counts: Counter[int] = Counter()
    for value, num in values.items():
        counts[meaning.grades.get(value, IGNORE)] += num
    return counts


def _most_frequent(grades: Mapping[int, int]) -> set[Label]:
    """The label of a mask; several where grades have equally many pixels."""
    counts = {label: grades.get(GRADES[label], 0) for label in Label if label != Label.NC}
    top = max(counts.values())
    return {label for label, count in counts.items() if count == top} if top else {Label.NC}


def _check_artefacts(contents: Contents, seen: Seen) -> None:
    with_artefacts = [
        pair for pair in seen if pair[1].artefact_px > _MIN_ARTEFACT * sum(pair[1].values.values())
    ]
    with_artefacts.sort(key=lambda pair: -pair[1].artefact_px)
    by_grade = [_by_grade(look.values, contents.meaning) for _, look in seen]
    graded = sum(grades[grade] for grades in by_grade for grade in (3, 4, 5))
    artefact = sum(look.artefact_px for _, look in with_artefacts)
    side = (common_size([look for _, look in seen]) or (0, 0))[1]
    contents.warning(
        "boundary-artefacts",
        (
            f"{artefact / max(1, graded):.2%} of the graded pixels, in {len(with_artefacts)} "
            f"mask(s), are boundary artefacts: strips of one grade beside another, at most "
            f"{max_artefact_px(side)} px wide",
            "none: they come from smoothing masks, seldom from tissue",
            "look at the tiles; disc convert with --artefact-px writes the set without them",
        ),
        [item.case(f"{item.name}: {look.artefact_px:,} px") for item, look in with_artefacts],
    )
