"""What the reader of folders says of patients and scores."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from disc.data.readers.read import read_source
from disc.data.readers.source import Source


def notes_of(root: Path, rows: str, folder: str = "") -> str:
    """Notes on six slides, a to f, with a table."""
    (root / "images" / folder).mkdir(parents=True)
    for name in "abcdef":
        Image.new("RGB", (32, 32), (200, 90, 160)).save(root / "images" / folder / f"{name}.png")
    (root / "slides.csv").write_text(rows)
    tiles = read_source(Source(root=root, kind="folder", slides=root / "slides.csv"))
    return "\n".join(tiles.notes)


def patients(*names: str) -> str:
    """A table of the slides' patients."""
    return "slide_id,patient_id\n" + "".join(
        f"{s},{p}\n" for s, p in zip("abcdef", names, strict=False)
    )


def test_patients_of_a_table_are_known(tmp_path: Path) -> None:
    """One slide of each: as many patients as slides, and none of them unknown."""
    assert "unknown" not in notes_of(tmp_path, patients("P1", "P2", "P3", "P4", "P5", "P6"))


@pytest.mark.parametrize(
    ("rows", "said", "first"),
    [
        (patients("P1", "P1", "", "P1", "P1", "P1"), "patients of 1 slide(s) are unknown", "c"),
        (patients("P1", "P1"), "patients of 4 slide(s) are unknown", "c"),
        ("slide_id,mpp\na,0.5\n", "patients are unknown", "a"),
    ],
)
def test_patients_of_whom_the_table_says_nothing(
    tmp_path: Path, rows: str, said: str, first: str
) -> None:
    notes = notes_of(tmp_path, rows)
    assert said in notes and f"patient of its own, first {first};" in notes


def test_patients_of_a_table_are_no_folders(tmp_path: Path) -> None:
    rows = patients("P1", "P1", "P1", "P1", "P1", "P1")
    assert "the folders" not in notes_of(tmp_path / "named", rows, "x")
    assert "the folders x" in notes_of(tmp_path / "unnamed", "slide_id,mpp\na,0.5\n", "x")


def test_open_groups_are_said(tmp_path: Path) -> None:
    notes = notes_of(tmp_path, "slide_id,isup_grade\na,4\nb,5\nc,2\n")
    said = "with isup_grade alone, 4 or 5, which leaves the grades open, so not scored: a, b"
    assert f"slides.csv: 2 slide(s) {said}" in notes


def test_scores_that_contradict_are_none(tmp_path: Path) -> None:
    rows = "slide_id,gleason_score,isup_grade\na,4+4,1\nb,4+4,4\n"
    notes = notes_of(tmp_path, rows)
    assert "1 slide(s) whose isup_grade contradicts their score, so not scored: a" in notes
    slides = read_source(
        Source(root=tmp_path, kind="folder", slides=tmp_path / "slides.csv")
    ).slides
    assert (slides["a"].primary, slides["b"].primary) == (None, 4)


@pytest.mark.parametrize("mask", ["a.png", "a_mask.png", "a.ome_mask.png"])
def test_masks_and_rows_of_ome_tiffs(tmp_path: Path, mask: str) -> None:
    """Tables found them without `.ome`, masks did not."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    image = tmp_path / "images/a.ome.tif"
    tifffile.imwrite(image, np.zeros((32, 32, 3), np.uint8), ome=True, photometric="rgb")
    Image.new("L", (32, 32)).save(tmp_path / "masks" / mask)
    (tmp_path / "slides.csv").write_text("slide_id,patient_id\na,p\n")
    masks = () if mask == "a.png" else ("masks/{name}_mask.png",)
    source = Source(root=tmp_path, kind="folder", slides=tmp_path / "slides.csv", masks=masks)
    (tile,) = read_source(source).tiles
    assert (tile.name, tile.slide_id, tile.mask) == ("a", "a", tmp_path / "masks" / mask)
