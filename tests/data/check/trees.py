"""A small clean set in the SICAPv2 layout, and faults to plant in it: Pillow and pandas only."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

SIDE = 64
STEP = 128
"""Level-0 pixels between neighbours: half of a tile, 4 level-0 pixels to a tile's."""
COLUMNS = {0: "NC", 3: "G3", 4: "G4", 5: "G5"}
GRADES = (0, 3, 4, 5)
GROUPS = ("A", "B", "T")
"""Slides of fold Val1's training, of its validation, and of the test."""


def slide_of(group: str, grade: int) -> str:
    return f"16{group}000{grade}"


def name_of(group: str, grade: int, col: int = 0, region: int = 0) -> str:
    place = f"Block_Region_{region}_0_{col}_xini_{5000 + STEP * col}_yini_9000"
    return f"{slide_of(group, grade)}_{place}"


def draw(key: str, side: int = SIDE) -> Image.Image:
    """Coloured clouds that depend on the key alone."""
    rng = np.random.default_rng(list(key.encode()))
    coarse = rng.integers(90, 240, (12, 12, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def image_of(root: Path, name: str) -> Path:
    return root / "images" / f"{name}.jpg"


def mask_of(root: Path, name: str) -> Path:
    return root / "masks" / f"{name}.png"


def add_tile(root: Path, name: str, grade: int) -> None:
    draw(name).save(image_of(root, name), quality=95)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:48, 8:56] = grade
    Image.fromarray(mask).save(mask_of(root, name))


def row(name: str, grade: int) -> dict[str, object]:
    hot = {column: int(grade == g) for g, column in COLUMNS.items()}
    return {"image_name": f"{name}.jpg", **hot, "G4C": 0}


def rows(*groups: str) -> list[dict[str, object]]:
    return [row(name_of(g, grade, c), grade) for g in groups for grade in GRADES for c in range(3)]


def save_book(root: Path, book: str, lines: list[dict[str, object]]) -> None:
    path = root / "partition" / f"{book}.xlsx"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(lines).to_excel(path, index=False)


def slide_rows() -> list[dict[str, object]]:
    return [
        {
            "slide_id": slide_of(group, grade),
            "patient_id": 100 * i + grade,
            "Gleason_primary": grade,
            "Gleason_secondary": grade,
        }
        for i, group in enumerate(GROUPS)
        for grade in GRADES
    ]


def save_slides(root: Path, lines: list[dict[str, object]]) -> None:
    pd.DataFrame(lines).to_excel(root / "wsi_labels.xlsx", index=False)


def write_clean(root: Path) -> Path:
    """Twelve slides of three tiles, every label in every part."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for group in GROUPS:
        for grade in GRADES:
            for col in range(3):
                add_tile(root, name_of(group, grade, col), grade)
    save_book(root, "Test/Train", rows("A", "B"))
    save_book(root, "Test/Test", rows("T"))
    save_book(root, "Validation/Val1/Train", rows("A"))
    save_book(root, "Validation/Val1/Test", rows("B"))
    save_slides(root, slide_rows())
    (root / "set.json").write_text(json.dumps({"written_by": "disc", "tile_px": SIDE}))
    return root


def change_mask(root: Path, name: str, change: Callable[[np.ndarray], object]) -> None:
    mask = np.array(Image.open(mask_of(root, name)))
    change(mask)
    Image.fromarray(mask).save(mask_of(root, name))
