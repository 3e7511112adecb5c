"""What programs write into tables where there is nothing, and headers that say a thing twice."""

from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from PIL import Image

from disc.data.readers.panda import read_panda
from disc.data.readers.read import read_source
from disc.data.readers.sicapv2_tables import read_slides
from disc.data.readers.slide_table import read_slide_table
from disc.data.readers.source import Source
from disc.data.tables.tables import read_table
from disc.data.tiles.records import Slide
from disc.data.writing.convert import convert_set
from disc.data.writing.request import ConvertRequest
from disc.files import BadInput

NOTHING = ["NA", "N/A", "#N/A", "nan", "NaN", "NULL", "null", "None", " NA "]
NOTHING += ["none", "NONE", "n/a", "<NA>", "NaT", "Na", " nAn"]
FACTS = "patient_id", "gleason_score", "data_provider", "mpp", "isup_grade", "split"


@pytest.mark.parametrize("nothing", NOTHING)
def test_cells_that_say_nothing(tmp_path: Path, nothing: str) -> None:
    """All slides were one patient's, called NA."""
    path = tmp_path / "slides.csv"
    rows = [",".join([name, *[nothing] * len(FACTS)]) for name in "ab"]
    path.write_text("\n".join([",".join(("slide_id", *FACTS)), *rows]))
    for row in read_slide_table(path).values():
        assert (row.patient, row.score, row.provider, row.um_per_px, row.isup, row.split) == (
            *("", None, "", None, None, ""),
        )


def test_words_that_only_look_so_are_names(tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    path.write_text("slide_id,patient_id\na,Nat1\nb,NA1\nc,no\nd,nones\n")
    found = [row.patient for row in read_slide_table(path).values()]
    assert found == ["Nat1", "NA1", "no", "nones"]


def test_numbers_among_cells_that_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    path.write_text("slide_id,patient_id\na,12.0\nb,NA\n")
    assert [row.patient for row in read_slide_table(path).values()] == ["12", ""]


def test_a_slide_that_is_called_so_stays(tmp_path: Path) -> None:
    """It is kept by name; rows without one are told apart by another column, or refused."""
    path = tmp_path / "slides.csv"
    for name in ("NA", "none", "<NA>"):
        path.write_text(f"slide_id,gleason_score\n{name},3+4\nb,4+4\n")
        assert list(read_slide_table(path)) == [name, "b"]
    path.write_text("image_id,slide_id,gleason_score\nNA,a,3+4\nNA,b,4+4\n")
    assert list(read_slide_table(path)) == ["a", "b"]
    path.write_text("slide_id,gleason_score\nNA,3+4\nNA,4+4\n")
    with pytest.raises(BadInput, match="NA is listed twice with different facts"):
        read_slide_table(path)


def test_groups_that_are_none(tmp_path: Path) -> None:
    """All slides of no group were one patient's, and rows without a slide joined their groups."""
    names = ["a", "b", "c", "d"]
    table = pd.DataFrame({"image_id": names, "gleason_score": "3+4", "data_provider": "radboud"})
    table.to_csv(tmp_path / "train.csv", index=False)
    pairs = "a,NA\nb,NA\nc,1\nd,2\nNA,1\nNA,2\n"
    (tmp_path / "groups.csv").write_text("image_id,group_id\n" + pairs)
    source = Source(root=tmp_path, duplicates=tmp_path / "groups.csv")
    slides = read_panda(source, is_ahead=True).slides
    found = {name: slide.patient_id for name, slide in slides.items()}
    assert found == {"a": "a", "b": "b", "c": "group-1", "d": "group-2"}


def test_workbooks_of_sets(tmp_path: Path) -> None:
    path = tmp_path / "wsi_labels.csv"
    header = "slide_id,patient_id,Gleason_primary,Gleason_secondary\n"
    path.write_text(f"{header}a,NA,3,4\nb,NA,4,4\n")
    with pytest.raises(BadInput, match="a row has slide_id 'a', patient_id 'NA'; give both"):
        read_slides(tmp_path / "wsi_labels.xlsx")
    path.write_text(f"{header}a,p,NA,NA\nNA,NA,4,4\n")
    assert list(read_slides(tmp_path / "wsi_labels.xlsx").values()) == [
        Slide(slide_id="a", patient_id="p"),
        Slide(slide_id="NA", patient_id="NA", primary=4, secondary=4),
    ]


def test_no_set_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    """Patients are called after folders, and one of these was called None."""
    for name in ("None/a", "p/b"):
        (tmp_path / "images" / name).parent.mkdir(parents=True)
        for folder, kind in (("images", "RGB"), ("masks", "L")):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new(kind, (32, 32)).save(path)
    source = Source(root=tmp_path, kind="folder")
    assert len(read_source(source).slides) == 2
    report = convert_set(ConvertRequest(source=source, out=tmp_path / "out"))
    assert "its patient is called 'None'" in str(report)
    assert list(read_slides(tmp_path / "out/wsi_labels.xlsx")) == ["b"]


HEADER = ("slide_id", "patient_id", "note", "Patient_ID ", "note")


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, name: str) -> None:
    """The last one counted, and nothing said so; of columns that nobody reads, any may be twice."""
    path = tmp_path / name
    rows = [HEADER, ("a", "p", "x", "q", "y")]
    if path.suffix == ".csv":
        path.write_text("\n".join(map(",".join, rows)))
    else:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    said = (
        rf"{name}: 2 columns are called patient_id: columns 2 \('patient_id'\) and 4 "
        r"\('Patient_ID'\); expected one"
    )
    with pytest.raises(BadInput, match=said):
        read_slide_table(path)
    assert read_table(path, ["slide_id"]) == [{"slide_id": "a"}]
