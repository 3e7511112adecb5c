"""Names of files that no workbook takes, or that are read otherwise than they are written."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disc import cli
from disc.data.check.check_sets import check_sets
from disc.data.check.request import CheckRequest
from disc.data.readers.sicapv2 import read_set
from disc.data.readers.source import Source
from disc.data.writing.convert import ConvertReport, convert_set
from disc.data.writing.request import ConvertRequest
from disc.files import BadInput

SIDE = 32


def save(root: Path, *names: bytes) -> None:
    """Tiles without masks, each of its own pixels."""
    for name in names:
        path = os.fsencode(root / "images") + b"/" + name + b".png"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        rng = np.random.default_rng(list(name))
        pixels = rng.integers(90, 250, (SIDE, SIDE, 3), np.uint8)
        with open(path, "wb") as file:
            Image.fromarray(pixels).save(file, format="png")


def convert(root: Path, out: Path, slides: Path | None = None) -> ConvertReport:
    source = Source(root=root, kind="folder", slides=slides)
    return convert_set(ConvertRequest(source=source, out=out, processes=1))


ODD = [
    b"bad\x01name",
    b"bad\x1b[31mred",
    b"no-utf-8-\xff\xfe",
    "none\uffff".encode(),
    b" ",
    b"x" * 200,
    b"P\x01/inner",
]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_listed_and_the_others_are_converted(
    tmp_path: Path, name: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "own", b"a", b"b", name)
    words = ["convert", "--root", str(tmp_path / "own"), "--kind", "folder"]
    assert cli.main([*words, "--out", str(tmp_path / "set"), "--processes", "1"]) == 1
    shown = capfd.readouterr().out
    assert "left out: 1 slide(s) whose names cannot be written" in shown
    assert "2 tiles of 2 slides" in shown and "rename" in shown
    assert "\x1b" not in shown and "\x01" not in shown and "\uffff" not in shown
    assert set(read_set(tmp_path / "set", SIDE).slides) == {"a", "b"}


def test_odd_names_alone_are_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "own", b"bad\x01", b"bad\x02")
    words = ["convert", "--root", str(tmp_path / "own"), "--kind", "folder"]
    assert cli.main([*words, "--out", str(tmp_path / "set")]) == 2
    shown = capfd.readouterr().err
    assert "none of 2 slides has a name that can be written; the first: " in shown
    assert "bad\\x01.png': its name has characters that tables cannot hold; rename" in shown
    assert not (tmp_path / "set").exists(), "nothing is written before names are looked at"


NFC, NFD = (unicodedata.normalize(form, "Möller") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("name", "new"),
    [
        (NFD, NFC),
        (" a", "a"),
        ("a ", "a"),
        ("\xa0a\xa0", "a"),
        ("a\\b", "a-b"),
        ("a_b", "a-b"),
    ],
)
def test_names_are_written_as_they_are_read(tmp_path: Path, name: str, new: str) -> None:
    save(tmp_path / "own", name.encode(), b"other")
    assert "2 tiles of 2 slides" in str(convert(tmp_path / "own", tmp_path / "set"))
    assert set(read_set(tmp_path / "set", SIDE).slides) == {new, "other"}
    assert not check_sets(CheckRequest(roots=(tmp_path / "set",), processes=1)).num_errors


@pytest.mark.parametrize("names", [("a_b", "a-b"), (NFC, NFD), ("a", "a\xa0"), ("a\\b", "a_b")])
def test_names_that_become_the_same_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    save(tmp_path / "own", *(name.encode() for name in names))
    with pytest.raises(BadInput, match="are of slides that would both be called") as caught:
        convert(tmp_path / "own", tmp_path / "set")
    assert all(ascii(name)[1:-1] in str(caught.value) for name in names)


def test_folders_that_differ_in_blanks_are_one_patient(tmp_path: Path) -> None:
    """Written as two, they were dealt to two parts and read as one, in both."""
    save(
        tmp_path / "own",
        *(f"P{n}{end}/s{n}{end and 'x'}".encode() for n in range(5) for end in ("", " ")),
    )
    convert(tmp_path / "own", tmp_path / "set")
    assert not check_sets(CheckRequest(roots=(tmp_path / "set",), processes=1)).num_errors
    slides = read_set(tmp_path / "set", SIDE).slides.values()
    assert sorted(slide.patient_id for slide in slides) == sorted(2 * [f"P{n}" for n in range(5)])


@pytest.mark.parametrize("command", ["convert", "tile"])
def test_a_patient_whom_no_workbook_takes(
    tmp_path: Path, command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "own", b"a", b"b")
    table = tmp_path / "table.csv"
    table.write_text("slide_id,patient_id\na,P1\nb,P\x01\n")
    words = {
        "convert": ["--root", str(tmp_path / "own"), "--kind", "folder", "--slides", str(table)],
        "tile": ["--slides", str(tmp_path / "own"), "--labels", str(table), "--mpp", "4"],
    }[command]
    assert cli.main([command, *words, "--out", str(tmp_path / "set")]) == 2
    shown = capfd.readouterr().err
    assert "table.csv: b: patient_id 'P\\x01' has characters that workbooks cannot hold" in shown
    assert not (tmp_path / "set").exists()
