"""The writer: what it writes reads back, byte for byte the same, whole or not at all."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.readers.sicapv2 import format_name, read_set, read_split
from disc.data.tiles.records import Slide
from disc.data.writing.set_writer import SetWriter
from disc.files import BadInput
from disc.labels import Label
from tests.folders import contents

SIDE = 32
SLIDES = [
    Slide(slide_id="A1", patient_id="1", primary=3, secondary=4),
    Slide(slide_id="A2", patient_id="2", primary=0, secondary=0),
    Slide(slide_id="A3", patient_id="3"),
]
PARTITIONS = {
    "Test/Train": ["A1", "A2"],
    "Test/Test": ["A3"],
    "Validation/Val1/Train": ["A1"],
    "Validation/Val1/Test": ["A2"],
}


def tiles() -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (
            format_name(slide.slide_id, (row, 0), 0, row * 128),
            np.full((SIDE, SIDE, 3), rng.integers(0, 256, 3), np.uint8),
            rng.choice([0, 1, 2, 3, 255], (SIDE, SIDE)).astype(np.uint8),
            rng.choice([0, 1, 2, 3], (SIDE, SIDE)).astype(np.uint8),
        )
        for slide in SLIDES
        for row in range(3)
    ]


def write(root: Path) -> None:
    writer = SetWriter(root, um_per_px=4.0)
    for tile in tiles():
        writer.add(*tile)
    labels = {name: Label.GG4 for name, *_ in tiles() if "_0_2_0_" not in name}
    # Another process than the one that wrote the tiles may finish the set.
    SetWriter(root, um_per_px=4.0).finish(SLIDES, PARTITIONS, labels)


def test_round_trip(tmp_path: Path) -> None:
    write(tmp_path)
    drawn, exact = read_set(tmp_path, SIDE), read_set(tmp_path, SIDE, masks="masks_exact")
    for i, (name, image, mask, truth) in enumerate(tiles()):
        assert drawn.tiles[i].name == name
        assert np.array_equal(drawn.mask(i), mask) and np.array_equal(exact.mask(i), truth)
        assert np.abs(drawn.image(i).astype(int) - image).max() <= 3
    assert list(drawn.slides.values()) == SLIDES
    split = read_split(tmp_path, "Val1", drawn)
    assert [set(part.slides) for part in (split.train, split.val, split.test)] == [
        {"A1"},
        {"A2"},
        {"A3"},
    ]
    assert [len(part) for part in (split.train, split.val, split.test)] == [2, 2, 2]


def test_other_programs_read_it(tmp_path: Path) -> None:
    write(tmp_path)
    table = pd.read_excel(tmp_path / "partition" / "Test" / "Train.xlsx")
    assert list(table.columns) == ["image_name", "NC", "G3", "G4", "G5", "G4C"]
    assert len(table) == 4 and table["G4"].eq(1).all() and table["G4C"].eq(0).all()
    assert all((tmp_path / "images" / name).is_file() for name in table["image_name"])
    slides = pd.read_excel(tmp_path / "wsi_labels.xlsx").set_index("slide_id")
    assert slides.loc["A1", "Gleason_secondary"] == 4 and slides.loc["A3"].isna()[1:].all()
    with Image.open(tmp_path / "masks" / f"{tiles()[0][0]}.png") as mask:
        assert set(np.unique(mask)) == {0, 3, 4, 5, 255}


def test_same_tiles_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_parts_of_one_slide(tmp_path: Path) -> None:
    names = [name for name, *_ in tiles()[:3]]
    writer = SetWriter(tmp_path)
    for tile in tiles()[:3]:
        writer.add(*tile)
    books = ("Validation/Val1/Train", "Validation/Val1/Test", "Test/Test")
    partitions = {book: [name] for book, name in zip(books, names, strict=True)}
    labels = dict.fromkeys(names, Label.NC)
    writer.finish(SLIDES[:1], partitions, labels, is_split_by_position=True)
    split = read_split(tmp_path, "Val1", read_set(tmp_path, SIDE))
    assert split.by_position
    parts = [part.tiles[0].name for part in (split.train, split.val, split.test)]
    assert parts == names


def test_refuses_what_it_could_not_read(tmp_path: Path) -> None:
    writer, (name, image, mask, _) = SetWriter(tmp_path), tiles()[0]
    with pytest.raises(BadInput, match="no tile was written"):
        writer.finish(SLIDES, {}, {})
    with pytest.raises(BadInput, match="'A_1_Block_Region_0' breaks the grammar"):
        writer.add("A_1_Block_Region_0", image, mask)
    with pytest.raises(ValueError, match="beside image"):
        writer.add(name, image, mask[:8])
    writer.add(name, image, mask)
    with pytest.raises(ValueError, match=r"Test/Train: 1 unknown .* A9"):
        writer.finish(SLIDES, {"Test/Train": ["A9"]}, {})
    with pytest.raises(ValueError, match=r"images: 1 unknown .* A1"):
        writer.finish(SLIDES[1:], {}, {})


WRITE_ON_A_FULL_DISK = """
import pathlib, sys
import numpy as np
from disc.data.writing.set_writer import SetWriter
noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
writer = SetWriter(pathlib.Path(sys.argv[1]))
try:
    writer.add("A1_Block_Region_0_0_0_xini_0_yini_0", noise, np.zeros((64, 64), np.uint8))
except OSError as error:
    print(error)
    sys.exit(3)
"""


def test_full_disk_leaves_whole_files_only(tmp_path: Path) -> None:
    """The limit lets the mask through (100 bytes) and stops the tile (8 kB)."""
    child = subprocess.run(
        [sys.executable, "-c", WRITE_ON_A_FULL_DISK, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 3, child.stderr
    assert "cannot write" in child.stdout and "xini_0_yini_0.jpg" in child.stdout
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.suffix for path in left] == [".png"]
    with Image.open(left[0]) as mask:
        mask.load()
