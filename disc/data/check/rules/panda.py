"""PANDA: what is wrong with slides and masks, once they were decoded."""

from __future__ import annotations

from collections.abc import Sequence

from disc.data.check.contents import Contents, Item
from disc.data.check.decode import Look, Sight
from disc.data.check.report import Case
from disc.data.check.rules.tiles import check_orientation
from disc.data.pixels.mask_values import BY_NAME


def check_slides(contents: Contents, looks: Sequence[Look]) -> None:
    """Add what is wrong with slides and masks to the findings."""
    seen = list(zip(contents.items, looks, strict=True))
    damaged = [
        Case(note=f"{path.name}: {sight.note}", files=(path,))
        for item, look in seen
        for path, sight in ((item.image, look.image), (item.mask, look.mask))
        if path is not None and sight is not None and sight.fault
    ]
    contents.error(
        "damaged",
        (f"{len(damaged)} file(s) cannot be read", "tiled TIFF", "fetch them again"),
        damaged,
    )
    check_orientation(contents, seen)
    unlike = [item for item, look in seen if look.mask and _is_unlike(look.image, look.mask)]
    contents.error(
        "mask-size",
        (
            f"{len(unlike)} mask(s) of another shape than their slides",
            "the same shape, whatever the resolution",
            "fetch slide and mask again",
        ),
        [item.case(item.name) for item in unlike],
    )
    _check_values(contents, [(item, set(look.values)) for item, look in seen])


def _is_unlike(image: Sight, mask: Sight) -> bool:
    if image.size is None or mask.size is None:
        return False
    across, down = (m / i for m, i in zip(mask.size, image.size, strict=True))
    return abs(across / down - 1) > 0.02


def _check_values(contents: Contents, seen: Sequence[tuple[Item, set[int]]]) -> None:
    """Values that the slide's provider does not use."""
    found = []
    for item, values in seen:
        provider = contents.slides[item.slide_id].provider
        meaning = BY_NAME.get(provider)
        strange = sorted(values - set(meaning.grades)) if meaning else []
        if strange:
            found.append(item.case(f"{item.name} ({provider}): {', '.join(map(str, strange))}"))
    contents.error(
        "mask-value",
        (
            f"{len(found)} mask(s) with values that mean nothing",
            "radboud 0 to 5, karolinska 0 to 2",
            "fetch the masks again; check data_provider",
        ),
        found,
    )
