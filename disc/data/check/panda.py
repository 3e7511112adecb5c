"""PANDA: whole slides and their masks, against the table of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from disc.data.check.contents import Contents, Item
from disc.data.check.findings import Case
from disc.data.check.fingerprints import take_print
from disc.data.check.known import PANDA, warn_of_counts
from disc.data.check.looking import Look, Sight, count_values
from disc.data.panda import MEANINGS, find_mask, read_cases
from disc.data.slides import Scan
from disc.data.tiles import Slide
from disc.files import BadInput
from disc.labels import isup_group

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
    cases = read_cases(root / TABLE)
    paths = sorted(folder.iterdir())
    images = {path.stem: path for path in paths if path.suffix.lower() in {".tif", ".tiff"}}
    contents.not_images = len(paths) - len(images)
    for stem, path in images.items():
        mask = find_mask(root / MASKS, path) if (root / MASKS).is_dir() else None
        contents.num_masks += mask is not None
        contents.items.append(Item(name=stem, image=path, mask=mask, slide_id=stem))
        case = cases.get(stem)
        score = (case and case.score) or (None, None)
        patient = (case and case.patient) or stem
        contents.slides[stem] = Slide(
            slide_id=stem, patient_id=patient, primary=score[0], secondary=score[1]
        )
    _compare(contents, images, set(cases))
    _check_table(contents)
    return contents


def _compare(contents: Contents, images: Mapping[str, Path], rows: set[str]) -> None:
    table, folder = contents.root / TABLE, contents.root / IMAGES
    gone = sorted(rows - set(images))
    contents.warning(
        "missing-image",
        (
            f"{len(gone)} of {len(rows)} rows of {TABLE} have no slide",
            "a slide for every row",
            "fetch the slides; those that are here can be used without them",
        ),
        [Case(note=name, files=(folder / f"{name}.tiff",)) for name in gone],
    )
    unknown = sorted(set(images) - rows)
    contents.error(
        "unknown-slide",
        (
            f"{len(unknown)} slide(s) are not in {TABLE}",
            "a row for every slide",
            "add the rows: without them nobody knows the score",
        ),
        [Case(note=name, files=(images[name], table)) for name in unknown],
    )
    bare = [item for item in contents.items if item.mask is None]
    contents.warning(
        "missing-mask",
        (
            f"{len(bare)} slide(s) without a mask",
            f"{MASKS}/<image_id>_mask.tiff",
            "nothing, if they are PANDA's (some have none); their tiles cannot be labelled",
        ),
        [item.case(item.name) for item in bare],
    )


def _check_table(contents: Contents) -> None:
    """Number of rows, and scores against ISUP groups."""
    path = contents.root / TABLE
    cases = read_cases(path)
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
        if case.score and case.isup and str(isup_group(*case.score)) != case.isup
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


def look_at_slide(image: Path, mask: Path | None) -> Look:
    """Decode the coarsest level of a slide and of its mask."""
    sight, pixels = _load(image)
    seen, values = (None, None) if mask is None else _load(mask)
    return Look(
        image=sight,
        mask=seen,
        values={} if values is None else count_values(values[..., 0]),
        fingerprint=None if pixels is None else take_print(Image.fromarray(pixels)),
    )


def _load(path: Path) -> tuple[Sight, np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None]:
    try:
        scan = Scan(path)
        size = scan.width, scan.height
        return Sight(size=size), scan.read_coarsest()
    except BadInput as error:
        return Sight(fault="damaged", note=str(error).removeprefix(f"{path}: ")), None


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
    cases = read_cases(contents.root / TABLE)
    found = []
    for item, values in seen:
        provider = cases[item.name].provider if item.name in cases else None
        meaning = MEANINGS.get(provider or "")
        strange = sorted(values - set(meaning.grades)) if meaning else []
        if strange:
            found.append(item.case(f"{item.name} ({provider}): {', '.join(map(str, strange))}"))
    contents.error(
        "mask-value",
        (
            f"{len(found)} mask(s) with values that mean nothing",
            "radboud 0 to 5, karolinska 0 to 2",
            "fetch the masks again; look whether data_provider is right",
        ),
        found,
    )
