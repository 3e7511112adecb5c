"""How the masks of a copy of SICAPv2 are written; decided once for the whole set.

Version 2 has PNG masks of 0, 3, 4, 5; copies of it have 0 to 3; version 1 has grey JPEG masks
whose values are smeared around nominal greys.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from disc.data.pixels.images import Pixels, open_image
from disc.data.pixels.mask_values import INDICES, SICAPV2, Meaning
from disc.files import BadInput
from disc.labels import GRADES, IGNORE, Label

EVENLY = 24
"""Masks inspected evenly over the whole set."""
EACH_LABEL = 16
"""Masks inspected for each label of the workbooks."""
GREYS: Mapping[int, int] = {
    **{0: 0, 50: 3, 65: 3, 75: 4, 85: 4, 100: 4, 150: 4, 165: 4, 200: 5},
    **{175: IGNORE, 185: IGNORE},
}
"""Nominal greys of version 1 and their grades, where the workbooks do not say otherwise."""
_NOMINAL = np.array(sorted(GREYS))
_MIN_VOTES = 3


def decide_meaning(
    masks: Mapping[str, Path], labels: Mapping[str, Label], encoding: str
) -> tuple[Meaning, str]:
    """What mask values mean in a set, and a line that says how this was decided.

    Args:
        masks: by tile, of which a sample is opened.
        labels: of tiles in the workbooks; they tell {0, 3} of one way from that of the other.
        encoding: `grades`, `indices`, `legacy`, or `auto`: by what is found.

    Raises:
        BadInput: if masks are of two kinds, or the values found do not decide.
    """
    if encoding == "legacy" or (encoding == "auto" and _are_jpeg(masks.values())):
        return _calibrate(masks, labels)
    if encoding == "auto":
        return _sniff(masks, labels)
    meaning = SICAPV2 if encoding == "grades" else INDICES
    return meaning, f"masks: values {meaning}, as requested"


def choose_sample(masks: Mapping[str, Path], labels: Mapping[str, Label]) -> list[str]:
    """Names of masks to inspect: some of each label, and some evenly over the set."""
    names = sorted(masks)
    groups = [[n for n in names if labels.get(n) == label] for label in (*Label, None)]
    chosen = {name for group in groups for name in _pick_evenly(group, EACH_LABEL)}
    return sorted(chosen.union(_pick_evenly(names, EVENLY)))


def _pick_evenly(names: Sequence[str], num: int) -> list[str]:
    places = np.linspace(0, len(names) - 1, min(num, len(names))).round().astype(int)
    return [names[place] for place in places]


def _are_jpeg(paths: Iterable[Path]) -> bool:
    by_suffix: dict[bool, Path] = {path.suffix.lower() != ".png": path for path in paths}
    if len(by_suffix) > 1:
        raise BadInput(
            f"{by_suffix[True]}: a JPEG mask beside PNG masks ({by_suffix[False].name}); keep "
            "those of version 2 (PNG) only"
        )
    return True in by_suffix


def _sniff(masks: Mapping[str, Path], labels: Mapping[str, Label]) -> tuple[Meaning, str]:
    names = choose_sample(masks, labels)
    votes: Counter[str] = Counter()
    for name in names:
        values = set(np.unique(_peek(masks[name])).tolist())
        votes["grades"] += bool(values & {4, 5})
        votes["indices"] += bool(values & {1, 2})
        if 3 in values and not values & {1, 2, 4, 5}:
            # GG3 or GG5: the workbook's label tells.
            votes["grades"] += labels.get(name) == Label.GG3
            votes["indices"] += labels.get(name) == Label.GG5
            votes["unclear"] += 1
    if votes["grades"] == votes["indices"]:
        if votes["grades"] or votes["unclear"]:
            raise BadInput(
                f"{masks[names[0]].parent}: {len(names)} masks do not tell whether 3 is GG3 or "
                "GG5; say --encoding grades (0, 3, 4, 5) or --encoding indices (0, 1, 2, 3)"
            )
        return SICAPV2, f"masks: no grade in {len(names)} masks inspected; read as {SICAPV2}"
    meaning = SICAPV2 if votes["grades"] > votes["indices"] else INDICES
    return meaning, f"masks: values {meaning}, decided on {len(names)} of {len(masks)} masks"


def _peek(path: Path) -> Pixels:
    """Values of a mask, or none: what is damaged is refused by name when it is read."""
    try:
        with open_image(path) as image:
            pixels = image.resize((256, 256), Image.Resampling.NEAREST)
            return np.array(pixels, np.uint8) if image.mode in ("L", "P") else np.empty(0, np.uint8)
    except BadInput:
        return np.empty(0, np.uint8)


def nearest_grey(values: Pixels) -> Pixels:
    """The nominal grey next to each value; below 25 it is 0, for JPEG rings around edges."""
    table = _NOMINAL[np.abs(np.arange(256)[:, None] - _NOMINAL).argmin(1)].astype(np.uint8)
    table[:25] = 0
    return np.take(table, values)


def _calibrate(masks: Mapping[str, Path], labels: Mapping[str, Label]) -> tuple[Meaning, str]:
    """Grades of the nominal greys: the most frequent label of the tiles whose main grey it is."""
    votes = {grey: Counter[int]() for grey in GREYS}
    for name in choose_sample(masks, labels):
        values = nearest_grey(_peek(masks[name]))
        counts = np.bincount(values[values > 0], minlength=256)
        if name in labels and labels[name] != Label.NC and counts.any():
            votes[int(counts.argmax())][GRADES[labels[name]]] += 1
    grades = dict(GREYS)
    for grey, found in votes.items():
        if found.total() >= _MIN_VOTES:
            grades[grey] = found.most_common(1)[0][0]
    changed = {grey: grade for grey, grade in grades.items() if grade != GREYS[grey]}
    text = (
        "masks: grey JPEG of SICAPv2 version 1, blurred by compression; fetch version 2 "
        f"(10.17632/9xxm58dvs3.2), whose PNG masks are exact. Greys and grades: {grades}"
        + (f"; of these by the workbooks: {changed}" if changed else "")
    )
    warnings.warn(text, UserWarning, stacklevel=2)
    nominal = nearest_grey(np.arange(256, dtype=np.uint8))
    return Meaning({value: grades[int(grey)] for value, grey in enumerate(nominal)}), text
