"""Tables whose names differ from those of files, as people bring them."""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.readers.read import read_source
from disc.data.readers.slide_table import read_slide_table
from disc.data.readers.source import Source
from disc.data.tables.matching import match_names
from disc.data.tables.tables import read_table
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput

COMPOSED = unicodedata.normalize("NFC", "Möller")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.mark.parametrize(
    ("files", "rows", "how"),
    [
        (["core0", "core1"], ["core0.png", "core1.SVS"], "without folders and file types"),
        (["core0"], ["core0.ome.tiff"], "without folders"),
        (["core0.ome"], ["core0.ome.tiff"], "without folders"),
        (["core0.ome", "S1.0"], ["core0", "S1.0.tif"], "without folders"),
        (["core0.svs"], ["core0"], "without folders"),
        (["core0.SVS"], ["scans/core0.svs.tiff"], "without folders"),
        (["core0"], ["D:\\scans\\batch 2\\core0.tiff"], "without folders"),
        (["0000", "0007"], ["0", "7"], "as whole numbers"),
        ([DECOMPOSED], [COMPOSED], "kinds of characters differ"),
        (["core0 "], ["core0"], "blanks or"),
    ],
)
def test_names_that_mean_the_same(files: list[str], rows: list[str], how: str) -> None:
    matches = match_names(files, rows, "table.csv")
    assert matches.rows == dict(zip(files, rows, strict=True))
    assert len(matches.notes) == 1 and how in matches.notes[0]


def test_an_exact_name_comes_first_and_two_candidates_are_none() -> None:
    assert match_names(["S1", "S1.0"], ["S1.0", "S1"], "t").rows == {"S1": "S1", "S1.0": "S1.0"}
    assert match_names(["S1.ome", "S1.0"], ["S1.0", "S1"], "t").rows["S1.ome"] == "S1"
    matches = match_names(["a", "b", "c"], ["a.png", "a.tif", "b", "d"], "t.csv")
    assert matches.rows == {"b": "b"}
    assert matches.notes == (
        "t.csv: 2 file(s) have no row: a, c",
        "t.csv: 3 row(s) are about no file: a.png, a.tif, d",
    )


def test_two_files_that_ask_for_one_row_get_none() -> None:
    matches = match_names(["1", "01", "x"], ["001", "x"], "t")
    assert matches.rows == {"x": "x"} and "2 file(s) have no row: 01, 1" in matches.notes[0]


def test_no_match_at_all_is_refused_with_examples_of_both() -> None:
    with pytest.raises(BadInput) as refused:
        match_names(["f1", "f2", "f3", "f4"], ["r1", "r2", "r3", "r4"], "t.csv")
    assert str(refused.value).startswith(
        "t.csv: no row is about any file: rows 'r1', 'r2', 'r3'; files 'f1', 'f2', 'f3'; "
    )


def save_cores(root: Path, names: list[str]) -> None:
    (root / "images").mkdir(parents=True)
    for name in names:
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(root / "images" / f"{name}.png")


def read_cores(root: Path, table: Path) -> TileSet:
    return read_source(Source(root=root, kind="folder", slides=table))


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_scores_and_patients_reach_cores_named_with_suffixes(tmp_path: Path, suffix: str) -> None:
    """Twenty cores of five patients: the old reader saw twenty patients without a score."""
    names = [f"{number:04d}" for number in range(20)]
    save_cores(tmp_path, names)
    table = tmp_path / f"slides.{suffix}"
    rows = pd.DataFrame(
        {
            "slide_id": range(20),
            "patient_id": [f"P{n % 5}{' ' * (n % 2)}" for n in range(20)],
            "Gleason_primary": 4,
            "Gleason_secondary": 3,
        }
    )
    _ = (
        rows.to_csv(table, index=False, sep=";")
        if suffix == "csv"
        else rows.to_excel(table, index=False)
    )
    tiles = read_cores(tmp_path, table)
    assert {slide.patient_id for slide in tiles.slides.values()} == {f"P{n}" for n in range(5)}
    assert {slide.primary for slide in tiles.slides.values()} == {4}
    assert any("20 name(s) match as whole numbers" in note for note in tiles.notes)


def test_a_table_of_tiles_gives_their_slide_its_patient(tmp_path: Path) -> None:
    names = [f"S1_Block_Region_0_{row}_0_xini_0_yini_{row}" for row in range(2)]
    save_cores(tmp_path, names)
    table = tmp_path / "tiles.csv"
    table.write_text("image_name,patient_id\n" + "".join(f"{n}.jpg,P7\n" for n in names))
    assert read_cores(tmp_path, table).slides["S1"].patient_id == "P7"
    table.write_text(f"image_name,patient_id\n{names[0]},P7\n{names[1]},P8\n")
    with pytest.raises(BadInput, match="tiles are of the patients 'P7' and 'P8'"):
        read_cores(tmp_path, table)


def test_tables_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    for text, encoding in (
        ("slide_id;gleason_score;mpp\nS1.0;3+4=7;0,25\n", "utf-8-sig"),
        ("slide_id\tgleason_score\tmpp\nS1.0\t7 (3+4)\t0.25\n", "utf-16"),
        ("wsi,gleason_score,mpp\nS1.0,Gleason 3 + 4,.25\n", "utf-8"),
    ):
        path.write_text(text, encoding=encoding)
        (name, row), *_ = read_slide_table(path).items()
        assert (name, row.score, row.um_per_px) == ("S1.0", (3, 4), 0.25)
    path.write_text("slide_id,isup_grade\na,0\nb,3\nc,5\n")
    rows = read_slide_table(path)
    assert [row.score for row in rows.values()] == [(0, 0), (4, 3), None]
    assert rows["c"].is_open and not rows["b"].is_open


def test_numbers_of_spreadsheets_and_texts_that_look_like_them(tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    path.write_text("slide_id,patient_id\nS1,12.0\nS1.0,13.0\n")
    rows = read_slide_table(path)
    assert {name: row.patient for name, row in rows.items()} == {"S1": "12", "S1.0": "13"}
    path.write_text("slide_id,patient_id\nS1,12.0\nS2,12.1\n")
    assert read_slide_table(path)["S1"].patient == "12.0"


@pytest.mark.parametrize("suffix", ["tsv", "TXT", "txt"])
def test_text_divided_by_tabs(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"slides.{suffix}"
    path.write_text("slide_id\tgleason_score\nS1\t3+4\n")
    assert read_slide_table(path)["S1"].score == (3, 4)


@pytest.mark.parametrize("row", ["a,3+3", "a,3+3,p,q"])
def test_rows_of_another_length_are_refused(tmp_path: Path, row: str) -> None:
    path = tmp_path / "slides.csv"
    path.write_text(f"slide_id,gleason_score,patient_id\n{row}\n")
    with pytest.raises(BadInput, match=r"slides\.csv: row 'a,3\+3.*' has [24] cells; expected 3"):
        read_table(path, ["slide_id"])


@pytest.mark.parametrize(
    ("cells", "message"),
    [("a,3+4=8,", "is not 8"), ("a,,-1", "mpp '-1'"), (",3+4,", "names no slide")],
)
def test_wrong_cells(tmp_path: Path, cells: str, message: str) -> None:
    path = tmp_path / "slides.csv"
    path.write_text(f"slide_id,gleason_score,mpp\n{cells}\n")
    with pytest.raises(BadInput, match=message):
        read_slide_table(path)
