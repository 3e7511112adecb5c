"""PANDA: whole slides and their masks, against the table of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from disc.data.check.contents import Contents, Item
from disc.data.check.report import Case
from disc.data.check.rules.published_counts import PANDA, warn_of_counts
from disc.data.readers.slide_masks import find_mask
from disc.data.readers.slide_table import Row, read_slide_table
from disc.data.tables.image_files import sort_files
from disc.data.tables.matching import match_names
from disc.data.tiles.records import Slide

TABLE, IMAGES, MASKS = "train.csv", "train_images", "train_label_masks"


def list_slides(root: Path, name: str) -> Contents:
    """List PANDA's slides: train.csv, train_images/, train_label_masks/.

    Raises:
        FileNotFoundError: if there is no table or no folder of slides.
        BadInput: if the table is not readable.
    """
    folder = root / IMAGES
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; give the folder of PANDA")
    contents = Contents(name=name, root=root, kind="panda", is_official=True)
    rows = read_slide_table(root / TABLE, is_unique=True)
    images, strange = sort_files(folder)
    contents.not_images = len(strange)
    contents.warning(
        "not-a-slide",
        (
            f"{len(strange)} file(s) that are no slides",
            "images alone, each name once",
            "remove them; they are not read",
        ),
        [Case(note=path.name, files=(path,)) for path in strange],
    )
    matches = match_names(images, rows, root / TABLE).rows
    cases = {name: rows[row] for name, row in matches.items()}
    for stem, path in images.items():
        mask = find_mask(root / MASKS, path) if (root / MASKS).is_dir() else None
        contents.num_masks += mask is not None
        contents.items.append(Item(name=stem, image=path, mask=mask, slide_id=stem))
        case = cases.get(stem)
        score = (case and case.score) or (None, None)
        patient = (case and case.patient) or stem
        contents.slides[stem] = Slide(
            slide_id=stem,
            patient_id=patient,
            primary=score[0],
            secondary=score[1],
            provider=(case and case.provider) or "",
        )
    _compare(contents, images, set(rows), matches)
    _check_table(contents, rows)
    return contents


def _compare(
    contents: Contents, images: Mapping[str, Path], rows: set[str], matches: Mapping[str, str]
) -> None:
    table, folder = contents.root / TABLE, contents.root / IMAGES
    gone = sorted(rows - set(matches.values()))
    contents.warning(
        "missing-image",
        (
            f"{len(gone)} of {len(rows)} rows of {TABLE} have no slide",
            "a slide for every row",
            "fetch the slides; those that are here can be used without them",
        ),
        [Case(note=name, files=(folder / f"{name}.tiff",)) for name in gone],
    )
    unknown = sorted(set(images) - set(matches))
    contents.error(
        "unknown-slide",
        (
            f"{len(unknown)} slide(s) are not in {TABLE}",
            "a row for every slide",
            "add the rows: without them the score is unknown",
        ),
        [Case(note=name, files=(images[name], table)) for name in unknown],
    )
    unmasked = [item for item in contents.items if item.mask is None]
    contents.warning(
        "missing-mask",
        (
            f"{len(unmasked)} slide(s) without a mask",
            f"{MASKS}/<image_id>_mask.tiff",
            "nothing, if they are PANDA's (some have none); their tiles cannot be labelled",
        ),
        [item.case(item.name) for item in unmasked],
    )


def _check_table(contents: Contents, cases: Mapping[str, Row]) -> None:
    """Number of rows, and scores against ISUP groups."""
    path = contents.root / TABLE
    counts = Counter(case.provider for case in cases.values())
    found = {"rows": len(cases), **{name: counts[name] for name in ("karolinska", "radboud")}}
    notes = [
        f"{TABLE}: {found[what]:,} {what}; expected {expected:,}"
        for what, expected in PANDA.items()
        if found[what] != expected
    ]
    warn_of_counts(contents, "PANDA", notes)
    wrong = [
        f"{name}: {case.score[0]}+{case.score[1]}, isup_grade {case.isup}"
        for name, case in cases.items()
        if case.score and not case.is_sound
    ]
    contents.warning(
        "score-differs",
        (
            f"{len(wrong)} row(s) whose score and ISUP group contradict each other",
            "the group of the score (in PANDA, all but 1 row)",
            "trust the score; correct the row",
        ),
        [Case(note=note, files=(path,)) for note in wrong],
    )
