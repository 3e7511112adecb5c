"""Folders that are classes, and sets of which no tile has a label."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.check.check_sets import check_sets
from disc.data.check.request import CheckRequest
from disc.data.readers.class_folders import read_class
from disc.data.readers.read import read_source
from disc.data.readers.sicapv2 import read_set, read_split
from disc.data.readers.source import Source
from disc.data.writing.convert import convert_set
from disc.data.writing.request import ConvertRequest
from disc.files import BadInput
from disc.labels import Label

SIDE = 32
CLASSES = {"Benign": Label.NC, "Gleason3": Label.GG3, "GG_4": Label.GG4, "5": Label.GG5}


def write_classes(root: Path, num: int = 8) -> None:
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (root / "images" / name).mkdir(parents=True)
        for number in range(num):
            pixels = rng.integers(90, 250, (SIDE, SIDE, 3), np.uint8)
            Image.fromarray(pixels).save(root / "images" / name / f"{name}-{number}.png")


def test_folders_that_are_classes_are_asked_about(tmp_path: Path) -> None:
    """32 slides of four patients, called Benign and Gleason3."""
    write_classes(tmp_path)
    tiles = read_source(Source(root=tmp_path, kind="folder"))
    assert any("32 slides of 4 patient(s), the folders 5, Benign" in note for note in tiles.notes)
    named = read_source(Source(root=tmp_path, kind="folder", labels_from="folders"))
    assert len({slide.patient_id for slide in named.slides.values()}) == 32
    assert all(tile.label == CLASSES[tile.image.parent.name] for tile in named.tiles)


def test_their_labels_are_converted(tmp_path: Path) -> None:
    write_classes(tmp_path)
    source = Source(root=tmp_path, kind="folder", labels_from="folders")
    said = str(convert_set(ConvertRequest(source=source, out=tmp_path / "set", processes=1)))
    assert "32 with a label; 5 parts by patient" in said
    for tile in read_set(tmp_path / "set", SIDE).tiles:
        assert tile.label == CLASSES[tile.slide_id.rpartition("-")[0].replace("GG-4", "GG_4")]
    report = check_sets(CheckRequest(roots=(tmp_path / "set",), processes=1))
    kinds = {finding.kind: finding for finding in report.findings}
    assert "label-differs" not in kinds, "an unknown mask was taken for a benign one"
    assert len(kinds["unknown-masks"].cases) == 32


@pytest.mark.parametrize("name", ["tumour", "Gleason 2", "34", "images"])
def test_folders_that_are_called_otherwise(name: str) -> None:
    with pytest.raises(BadInput, match=f"{name}: is not called like a class"):
        read_class(Path(name))


def test_a_set_without_labels_is_one_of_slides(tmp_path: Path) -> None:
    """As the docs' SICAP-MIL: its workbooks had no row, and nothing read it."""
    (tmp_path / "patches").mkdir()
    rows = []
    for slide in "abcdefghij":
        rows.append({"slide_name": slide, "Primary": 3, "Secondary": 4})
        for number in range(2):
            image = Image.new("RGB", (SIDE, SIDE), (200, 90 + number, ord(slide)))
            image.save(tmp_path / "patches" / f"{slide}_{number}.jpg")
    pd.DataFrame(rows).to_excel(tmp_path / "slides.xlsx", index=False)
    table = tmp_path / "slides.xlsx"
    source = Source(root=tmp_path, kind="folder", images="patches", slides=table)
    said = str(convert_set(ConvertRequest(source=source, out=tmp_path / "set", processes=1)))
    assert "20 tiles of 10 slides, 0 with a label" in said
    assert "serves whole slides" in said
    tiles = read_set(tmp_path / "set", SIDE)
    split = read_split(tmp_path / "set", "Val1", tiles)
    assert sum(map(len, (split.train, split.val, split.test))) <= 20 and len(split.test) == 4
    assert {slide.primary for slide in split.test.slides.values()} == {3}
    report = check_sets(CheckRequest(roots=(tmp_path / "set",), processes=1))
    kinds = {finding.kind: finding for finding in report.findings}
    assert report.num_errors == 0 and len(kinds["unlabelled-tiles"].cases) == 20
    assert "unlisted-tiles" not in kinds
