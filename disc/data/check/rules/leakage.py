"""Findings about generators: which slides of a set they saw that test or validate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from disc.data.check.contents import Contents, Item
from disc.data.check.report import Case
from disc.data.check.rules.split import TEST
from disc.data.check.rules.synthetic import MANIFEST
from disc.data.trained_on import NAME, TrainedOn


def check_generators(contents: Contents, generators: Sequence[tuple[Path, TrainedOn]]) -> None:
    """Add what generators saw of a set. Bands of one slide, and synthetic sets, are skipped."""
    if contents.is_by_position or (contents.root / MANIFEST).exists():
        return
    for folder, seen in generators:
        found = _find_trained_on(contents, seen)
        _check_test(contents, folder, found)
        _check_folds(contents, folder, found)


def _find_trained_on(contents: Contents, seen: TrainedOn) -> dict[str, str]:
    """Slides of the set that a generator saw, or others of whose patient it saw; in words, how.

    Patients count where a slide of the set was seen: their numbers mean nothing in another set.
    """
    found = {slide: "seen" for slide in contents.slides if slide in set(seen.slides)}
    patients = {contents.slides[slide].patient_id for slide in found}
    patients |= set(seen.patients) if found else set()
    for name, slide in contents.slides.items():
        if name not in found and slide.patient_id in patients:
            found[name] = f"another of patient {slide.patient_id} seen"
    return found


def _check_test(contents: Contents, folder: Path, found: dict[str, str]) -> None:
    # A set without parts is all test.
    names = contents.parts.get(TEST) if contents.parts else None
    tests = _by_slide([i for i in contents.items if names is None or i.name in names])
    cases = [_case(f"slide {s}: {found[s]}", tests[s], folder) for s in sorted(found) if s in tests]
    contents.error(
        "generator-saw-test",
        (
            f"{len(cases)} test slide(s) that {folder} saw",
            "a generator trained on slides that test nothing",
            "train the generator without them, or test on other slides",
        ),
        cases,
    )


def _check_folds(contents: Contents, folder: Path, found: dict[str, str]) -> None:
    cases, folds = [], list[str]()
    for book in sorted(contents.parts):
        _, _, rest = book.partition("Validation/")
        fold, _, part = rest.partition("/")
        slides = _by_slide([i for i in contents.items if i.name in contents.parts[book]])
        hit = [slide for slide in sorted(slides) if slide in found]
        if part == "Test" and hit:
            items = [item for slide in hit for item in slides[slide]]
            note = f"{fold}: {len(hit)} of {len(slides)} validation slide(s)"
            folds.append(fold)
            cases.append(_case(note, items, folder))
    contents.warning(
        "generator-saw-validation",
        (
            f"{folder} saw slides that validate {', '.join(folds)}",
            "a generator of its own for each fold (disc run fold-safe trains them)",
            f"choose nothing on {', '.join(folds)} with its tiles",
        ),
        cases,
    )


def _by_slide(items: Sequence[Item]) -> dict[str, list[Item]]:
    slides: dict[str, list[Item]] = {}
    for item in items:
        slides.setdefault(item.slide_id, []).append(item)
    return slides


def _case(note: str, items: Sequence[Item], folder: Path) -> Case:
    files = (folder / NAME, *(item.image for item in items))
    return Case(note=note, files=files, shown=tuple(item.shown for item in items[:2]))
