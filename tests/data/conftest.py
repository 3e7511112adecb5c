"""A small set in the SICAPv2 layout, written with Pillow and pandas only."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

SIDE = 32
SLIDES = {"16B01": ("7", 3, 4), "16B02": ("7", 4, 4), "17B03A": ("8", 0, 0), "18B04": ("9", 5, 4)}
PARTITIONS = {
    "Test/Train": ["16B01", "16B02", "17B03A"],
    "Test/Test": ["18B04"],
    "Validation/Val1/Train": ["16B01", "16B02"],
    "Validation/Val1/Test": ["17B03A"],
}
GRADE_OF = {"16B01": 3, "16B02": 4, "17B03A": 0, "18B04": 5}


def name_of(slide: str, row: int) -> str:
    return f"{slide}_Block_Region_2_{row}_7_xini_{1024 * 7}_yini_{1024 * row}"


def save_book(root: Path, name: str, rows: list[dict[str, object]]) -> None:
    path = root / f"{name}.xlsx"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_excel(path, index=False)


def tile_row(slide: str, row: int, *, grade: int | None = None) -> dict[str, object]:
    grade = GRADE_OF[slide] if grade is None else grade
    hot = {column: int(grade == g) for column, g in {"NC": 0, "G3": 3, "G4": 4, "G5": 5}.items()}
    return {"image_name": f"{name_of(slide, row)}.jpg", **hot, "G4C": 0}


def slide_rows() -> list[dict[str, object]]:
    return [
        {"slide_id": s, "patient_id": p, "Gleason_primary": a, "Gleason_secondary": b}
        for s, (p, a, b) in SLIDES.items()
    ]


@pytest.fixture
def tiny_set(tmp_path: Path) -> Path:
    """Four slides of three tiles; the third tile of each is in no workbook."""
    root = tmp_path / "set"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number, slide in enumerate(SLIDES):
        for row in range(3):
            image = np.full((SIDE, SIDE, 3), (200, 20 * number, 60 * row), np.uint8)
            mask = np.full((SIDE, SIDE), GRADE_OF[slide], np.uint8)
            mask[:4] = 255
            Image.fromarray(image).save(root / "images" / f"{name_of(slide, row)}.jpg", quality=95)
            Image.fromarray(mask).save(root / "masks" / f"{name_of(slide, row)}.png")
    (root / "images" / "Thumbs.db").write_bytes(b"left by Windows")
    for book, slides in PARTITIONS.items():
        save_book(root / "partition", book, [tile_row(s, r) for s in slides for r in range(2)])
    save_book(root, "wsi_labels", slide_rows())
    return root


@pytest.fixture
def first_image(tiny_set: Path) -> Path:
    return tiny_set / "images" / f"{name_of('16B01', 0)}.jpg"


@pytest.fixture
def first_mask(tiny_set: Path) -> Path:
    return tiny_set / "masks" / f"{name_of('16B01', 0)}.png"
