"""The page and the table of a check, and the command that makes them."""

import io
import json
import os
import re
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from rich.console import Console

from disc import cli
from disc.data.check.check_sets import check_sets
from disc.data.check.request import CheckRequest
from disc.labels import PALETTES, Label
from disc.report.check.page import write_check_page
from disc.report.check.pictures import example_cells
from disc.report.check.table import print_check
from tests.data.check import faults
from tests.data.check.test_other_layouts import mask, write_lapc
from tests.data.check.trees import draw, name_of, write_clean

PLANTED = (
    *(faults.draw_seven, faults.truncate_image, faults.copy_within_part, faults.draw_artefact),
    *(faults.share_patient, faults.leave_thumbs, faults.unlisted_tile, faults.resize_mask),
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clean(tmp_path_factory.mktemp("clean") / "set")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_clean(tmp_path_factory.mktemp("planted") / "set")
    for fault in PLANTED:
        fault(root)
    return root


def test_the_page_shows_every_finding_and_needs_nothing_else(planted: Path, tmp_path: Path) -> None:
    report = check_sets(CheckRequest(roots=(planted,), processes=1))
    write_check_page(tmp_path / "check.html", report)
    page = (tmp_path / "check.html").read_text()
    assert len(report.findings) == len(PLANTED)
    for finding in report.findings:
        assert f"</b> {finding.kind} <small>" in page
        assert finding.found.replace("'", "&#39;") in page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert sources and all(source.startswith(("data:image/", "#finding-")) for source in sources)
    assert "http" not in re.sub(r'src="[^"]*"', "", page)
    write_check_page(tmp_path / "again.html", report)
    assert (tmp_path / "again.html").read_text() == page


def test_masks_are_shown_by_what_their_set_means(tmp_path: Path) -> None:
    """0 is GG3 in LAPC, 3 benign, 7 nothing (black)."""
    benign, gg3 = (list(PALETTES["safe"][label]) for label in (Label.NC, Label.GG3))
    root = write_lapc(tmp_path / "lapc")
    mask(7).save(root / "mask_nameless" / "t0.png")
    mask(3).save(root / "mask_nameless" / "t1.png")
    draw("lapc 0").save(root / "jpg_nameless" / "p1" / "t1.jpg")
    report = check_sets(CheckRequest(roots=(root,), processes=1))
    found = {finding.kind: finding for finding in report.findings}
    (seven,), (copy,) = found["mask-value"].cases, found["duplicate"].cases
    _, drawn = example_cells(found["mask-value"], seven, report.meanings)
    assert drawn.pixels[[0, -1], 0].tolist() == [[0, 0, 0], gg3]
    cells = example_cells(found["duplicate"], copy, report.meanings)
    assert cells[3].pixels[[0, -1], 0].tolist() == [benign, gg3]


def test_names_from_the_disk_are_escaped(tmp_path: Path) -> None:
    root = write_clean(tmp_path / "set")
    (root / "images" / "<b>bold[red].txt").write_text("")
    report = check_sets(CheckRequest(roots=(root,), processes=1))
    write_check_page(tmp_path / "check.html", report)
    assert "<b>bold" not in (tmp_path / "check.html").read_text()
    console = Console(file=io.StringIO(), width=120)
    print_check(report, console)
    assert "<b>bold[red].txt" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_names_kinds_and_cases(planted: Path) -> None:
    console = Console(file=io.StringIO(), width=160)
    print_check(check_sets(CheckRequest(roots=(planted,), processes=1)), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "mask-value" in text and f"{name_of('A', 3, 1)}: value 7 (6 px)" in text
    assert "4 errors, 4 warnings" in text


def run(*words: object) -> int:
    return cli.main(["check", *map(str, words), "--processes", "1"])


def test_exit_codes(
    clean: Path, planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warned = tmp_path / "warned"
    shutil.copytree(clean, warned)
    faults.leave_thumbs(warned)
    page = tmp_path / "out" / "check.html"
    assert run(clean, "--page", page) == 0 and page.exists()
    assert "Nothing wrong was found." in capsys.readouterr().out
    assert run(warned, "--page", "None") == 0
    assert run(planted, "--page", "None") == 1
    assert run(clean, planted, "--page", "None") == 1
    capsys.readouterr()
    assert run(tmp_path / "nowhere") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_json_is_what_the_docs_describe(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "check.json"
    assert run(planted, "--page", "None", "--json", path) == 1
    capsys.readouterr()
    assert run(planted, "--page", "None", "--json", "-") == 1
    streams = capsys.readouterr()
    told = json.loads(streams.out)
    assert told == json.loads(path.read_text()) and "mask-value" in streams.err
    assert list(told) == ["schema", "errors", "warnings", "sets", "findings"]
    assert (told["schema"], told["errors"], told["warnings"]) == ("disc-check/1", 4, 4)
    keys = ["severity", "kind", "set", "found", "expected", "action", "cases"]
    assert all(list(finding) == keys for finding in told["findings"])
    (seven,) = (f for f in told["findings"] if f["kind"] == "mask-value")
    name = name_of("A", 3, 1)
    assert seven["cases"] == [
        {
            "note": f"{name}: value 7 (6 px)",
            "files": [str(planted / "images" / f"{name}.jpg"), str(planted / f"masks/{name}.png")],
        }
    ]
    part = told["sets"][0]["parts"]["Test/Test"]
    assert part["labels"] == {"NC": 3, "G3": 3, "G4": 3, "G5": 3, "G4C": 0}


def test_odd_files_do_not_break_the_page(clean: Path, tmp_path: Path) -> None:
    """A header of 400 million pixels, a pipe, and a name that is no text."""
    root = tmp_path / "set"
    shutil.copytree(clean, root)
    huge, pipe, *_ = sorted((root / "images").iterdir())
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    huge.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    pipe.unlink()
    os.mkfifo(pipe)
    (Path(os.fsdecode(os.fsencode(root / "images") + b"/\xff\xfe.jpg"))).write_bytes(b"x")
    page = tmp_path / "check.html"
    assert run(root, "--page", page) == 1
    text = page.read_text()
    assert huge.stem in text and pipe.stem in text and r"\udcff\udcfe" in text


def test_what_was_found_is_said_where_no_page_can_be_written(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert run(planted, "--page", tmp_path / "file" / "check.html") == 2
    shown = capsys.readouterr()
    assert "4 errors, 4 warnings" in shown.out and len(shown.err.splitlines()) == 1


def test_sets_without_parts_have_a_balance(tmp_path: Path) -> None:
    report = check_sets(CheckRequest(roots=(write_lapc(tmp_path / "lapc"),), processes=1))
    (part,) = report.sets[0].parts.values()
    assert list(report.sets[0].parts) == ["all tiles"]
    assert sum(part.labels.values()) == part.tiles == report.sets[0].images
