"""How much the published data sets hold, against what is there."""

from __future__ import annotations

from collections.abc import Iterator

from disc.data.check.contents import Contents
from disc.data.check.report import Case
from disc.data.check.rules.split import NAMES, count_parts

SICAPV2 = {"images": 18_783, "listed tiles": 12_081, "slides": 155, "patients": 95}
_COLUMNS = ("tiles", *NAMES.values(), "G4C", "slides", "patients")
_PARTS = {
    "Test/Train": (9959, 3773, 1829, 3641, 716, 618, 124, 74),
    "Test/Test": (2122, 644, 393, 853, 232, 145, 31, 21),
    "Validation/Val1/Train": (7472, 3088, 1204, 2662, 518, 381, 95, 56),
    "Validation/Val1/Test": (2487, 685, 625, 979, 198, 237, 29, 18),
    "Validation/Val2/Train": (7793, 3056, 1483, 2691, 563, 577, 97, 57),
    "Validation/Val2/Test": (2166, 717, 346, 950, 153, 41, 27, 17),
    "Validation/Val3/Train": (8166, 3129, 1468, 2971, 598, 492, 94, 55),
    "Validation/Val3/Test": (1793, 644, 361, 670, 118, 126, 30, 19),
    "Validation/Val4/Train": (6446, 2046, 1332, 2599, 469, 404, 86, 54),
    "Validation/Val4/Test": (3513, 1727, 497, 1042, 247, 214, 38, 20),
}
PARTS = {book: dict(zip(_COLUMNS, row, strict=True)) for book, row in _PARTS.items()}
"""What each workbook of SICAPv2 lists."""
PANDA = {"rows": 10_616, "karolinska": 5_456, "radboud": 5_160}
"""What train.csv of PANDA lists."""


def check_sicapv2(contents: Contents) -> None:
    """Add the numbers in which a set that claims to be SICAPv2 differs from it."""
    if contents.is_official:
        notes = [
            f"{where}: {found:,} {what}; expected {expected:,}"
            for where, what, found, expected in _compare(contents)
            if found != expected
        ]
        warn_of_counts(contents, "SICAPv2", notes)


def warn_of_counts(contents: Contents, published: str, notes: list[str]) -> None:
    """Add numbers that differ from those of a published set."""
    contents.warning(
        "counts",
        (
            f"{len(notes)} number(s) differ from those of {published}",
            f"what {published} holds as published",
            "fetch it again, if this should be the whole of it",
        ),
        [Case(note=note) for note in notes],
    )


def _compare(contents: Contents) -> Iterator[tuple[str, str, int, int]]:
    """Where, what, found, expected."""
    slides = {item.slide_id for item in contents.items if item.slide_id}
    whole = {
        "images": len(contents.items),
        "listed tiles": len({name for part in contents.parts.values() for name in part}),
        "slides": len(slides),
        "patients": len({contents.slides[s].patient_id for s in slides if s in contents.slides}),
    }
    for what, expected in SICAPV2.items():
        yield "in all", what, whole[what], expected
    for book, numbers in count_parts(contents).items():
        found = {**numbers.labels, "tiles": numbers.tiles}
        found |= {"slides": numbers.slides, "patients": numbers.patients}
        for what, expected in PARTS.get(book, {}).items():
            if what in found:
                yield book, what, found[what], expected
