"""How long `disc check` takes on a set of SICAPv2's size.

Writes a set with 18,783 tiles of 512 px whose names follow the real grammar: 155 slides, 95
patients, every count of the ten workbooks as published. Pictures are coloured clouds under noise,
as many bytes as real tiles; a third of the masks have boundary artefacts. Written once (3 GB, some
minutes); then the check is timed. It must find no error and no count that differs.

    python benchmarks/checking.py [--out /tmp/sicapv2-like] [--processes 2] [--fraction 1.0]
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from PIL import Image

SIDE, STEP = 512, 1024
GRADES = (0, 3, 4, 5)
COLUMNS = ("NC", "G3", "G4", "G5")
GROUPS = {
    "Val1": ((685, 625, 979, 198), 237, 29, 18),
    "Val2": ((717, 346, 950, 153), 41, 27, 17),
    "Val3": ((644, 361, 670, 118), 126, 30, 19),
    "Val4": ((1727, 497, 1042, 247), 214, 38, 20),
    "Test": ((644, 393, 853, 232), 145, 31, 21),
}
"""Tiles of each label, tiles with G4C, slides, patients; the four folds make up Test/Train."""
_FOLDS = set(GROUPS) - {"Test"}
BOOKS = [
    ("Test/Train", _FOLDS),
    ("Test/Test", {"Test"}),
    *[(f"Validation/{fold}/Train", _FOLDS - {fold}) for fold in sorted(_FOLDS)],
    *[(f"Validation/{fold}/Test", {fold}) for fold in sorted(_FOLDS)],
]
"""Workbooks and the groups that they list."""
NUM_TILES = 18_783


@dataclass(frozen=True)
class Options:
    """What to time."""

    out: Path = Path("/tmp/sicapv2-like")
    """Folder of the set; an existing set is used again."""
    processes: int = 2
    """Processes of the check."""
    fraction: float = 1.0
    """Fraction of the tiles that is written, for a quick test; counts then differ."""


@dataclass(frozen=True)
class Plan:
    """One tile before it is written."""

    name: str
    slide: str
    group: str
    grade: int
    is_listed: bool
    is_cribriform: bool = False


def plan_slides() -> pd.DataFrame:
    """Slide, patient, group and grade of 155 slides: slides of one grade, in each group."""
    rows, patients = [], 0
    for group, (labels, _, slides, num_patients) in GROUPS.items():
        wanted = np.array(labels) / sum(labels) * slides
        counts = np.maximum(1, wanted.astype(int))
        while counts.sum() != slides:
            counts[np.argmax(wanted - counts)] += np.sign(slides - counts.sum())
        grades = np.repeat(GRADES, counts)
        for number, grade in enumerate(grades.tolist()):
            slide = f"16B{len(rows) + 1000:07d}"
            patient = patients + number % num_patients + 1
            rows.append({"slide": slide, "patient": patient, "group": group, "grade": grade})
        patients += num_patients
    return pd.DataFrame(rows)


def plan_tiles() -> list[Plan]:
    """All 18,783 tiles: the listed ones of each group and label, and those in no workbook."""
    slides = plan_slides()
    plans = []
    for group, (labels, cribriform, *_) in GROUPS.items():
        for grade, count in zip(GRADES, labels, strict=True):
            part = slides[(slides["group"] == group) & (slides["grade"] == grade)]
            names = part["slide"].tolist()
            for number in range(count):
                slide = names[number % len(names)]
                is_cribriform = grade == 4 and number < cribriform
                name = _name(slide, number // len(names))
                plans.append(Plan(name, slide, group, grade, True, is_cribriform))
    names = slides["slide"].tolist()
    for number in range(NUM_TILES - len(plans)):
        slide = names[number % len(names)]
        plans.append(Plan(_name(slide, 1000 + number // len(names)), slide, "", 0, False))
    return plans


def _name(slide: str, number: int) -> str:
    row, col = divmod(number, 10)
    place = f"{row}_{col}_xini_{7203 + STEP * col}_yini_{36018 + STEP * row}"
    return f"{slide}_Block_Region_2_{place}"


def write_books(root: Path, plans: list[Plan]) -> None:
    """The ten workbooks and the slides' one."""
    for book, groups in BOOKS:
        rows = [
            {
                "image_name": f"{plan.name}.jpg",
                **{c: int(plan.grade == g) for c, g in zip(COLUMNS, GRADES, strict=True)},
                "G4C": int(plan.is_cribriform),
            }
            for plan in plans
            if plan.is_listed and plan.group in groups
        ]
        path = root / "partition" / f"{book}.xlsx"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_excel(path, index=False)
    slides = plan_slides().assign(Gleason_secondary=lambda table: table["grade"])
    names = {"slide": "slide_id", "patient": "patient_id", "grade": "Gleason_primary"}
    table = slides.rename(columns=names).drop(columns="group")
    table.to_excel(root / "wsi_labels.xlsx", index=False)


@cache
def _noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 11, (SIDE, SIDE, 1)).astype(np.float32)


@cache
def _hills() -> np.ndarray:
    """A smooth field of rank 0 to 1, uint8-sized steps: a mask is what lies above a level."""
    coarse = np.random.default_rng(1).random((6, 6), np.float32)
    field = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return (field.argsort(None).argsort() / field.size).reshape(SIDE, SIDE)


def draw_tile(root: Path, number: int, plan: Plan) -> None:
    """Write image and mask of a tile."""
    rng = np.random.default_rng([2404, number])
    coarse = rng.integers(120, 240, (24, 24, 3), np.uint8)
    clouds = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    pixels = np.clip(np.asarray(clouds) + np.roll(_noise(), number, (0, 1)[number % 2]), 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=90)
    (root / "images" / f"{plan.name}.jpg").write_bytes(buffer.getvalue())
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if plan.is_listed and plan.grade:
        hills = np.roll(_hills(), rng.integers(0, SIDE, 2).tolist(), (0, 1))
        if plan.grade > 3 or number % 2:
            mask[hills > 0.47] = plan.grade - 1 if plan.grade > 3 else 4
        mask[hills > 0.5] = plan.grade
    Image.fromarray(mask).save(root / "masks" / f"{plan.name}.png", compress_level=1)


def write_set(root: Path, fraction: float) -> None:
    """Write the set, unless it exists."""
    marker = root / "readme.txt"
    if marker.exists():
        return
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    plans = plan_tiles()[:: round(1 / fraction)]
    with ProcessPoolExecutor(None, multiprocessing.get_context("spawn")) as pool:
        count = len(plans)
        list(pool.map(draw_tile, [root] * count, range(count), plans, chunksize=64))
    write_books(root, plans)
    marker.write_text(f"written by benchmarks/checking.py, fraction {fraction}\n")


def _cpu_seconds() -> float:
    """Processor time of this process and its children: depends less on other work than a clock."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Write and check the set; print a table, and one JSON line."""
    from disc.data.check.check_sets import check_sets
    from disc.data.check.request import CheckRequest

    options = tyro.cli(Options)
    write_set(options.out, options.fraction)
    start, used = time.perf_counter(), _cpu_seconds()
    report = check_sets(CheckRequest(roots=(options.out,), processes=options.processes))
    seconds, used = time.perf_counter() - start, _cpu_seconds() - used
    kinds = Counter(f"{finding.severity} {finding.kind}" for finding in report.findings)
    num = report.sets[0].images
    result = {
        "tiles": num,
        "processes": options.processes,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used, 1),
        "tiles_per_second": round(num / seconds, 1),
        "findings": dict(kinds),
    }
    print(f"{num:,} tiles and masks of {SIDE} px, {options.processes} processes")
    print(f"{seconds:.1f} s, {num / seconds:.0f} tiles a second; {used:.1f} s of processor time")
    for kind, count in kinds.items():
        print(f"  {kind}: {count}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
