"""What a command is to write is looked at before any work: of every command that writes."""

import os
from dataclasses import replace

import pytest

from disc import cli
from disc.command_line.places import check_places
from disc.command_line.termination import tell_error
from disc.files import BadInput
from disc.pipeline.request import RunRequest
from disc.presets import smoke
from tests.command_line.test_words import refuse

WRITERS = {
    "sample": "sample --recipe 3+4",
    "synthesize": "synthesize",
    "bank": "bank --bundles 4",
    "study": "study {here}/run",
    "grade": "grade {here}/run {here}/slide.svs",
    "tile": "tile --slides {here}",
    "convert": "convert --root {here}",
    "phantom": "phantom",
    "export": "export --run {here}/run",
    "export-wsinfer": "export-wsinfer {here}/run",
    "studio": "studio {here}/run",
    "import": "import --source {here}/vq",
    "run": "run smoke",
}
"""Words of every command that writes a folder; no other command has `out`, but select."""


def test_every_command_that_writes_a_folder_is_known():
    takes = {name: command.request.__dataclass_fields__ for name, command in cli.COMMANDS.items()}
    writers = {name for name, fields in takes.items() if "out" in fields}
    assert writers == {*WRITERS, "select"} - {"run"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_in_the_way_of_a_folder_is_one_line(name, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("mine")
    option = "" if name == "export-wsinfer" else "--out "
    line = refuse(f"{WRITERS[name].format(here=tmp_path)} {option}{file}/below", capsys)
    assert line.startswith(f"disc: {file}/below")
    assert f": {file} is a file, not a folder; give another place with --out" in line
    assert file.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_a_file_in_place_of_a_folder_is_one_line(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("mine")
    said = f"disc: {file}: is a file, not a folder; give another place with --out"
    assert refuse(f"phantom --out {file}", capsys) == said


@pytest.mark.parametrize(
    "words",
    ["select --root {here} --out {out}", "audit a b --json {out}", "audit a b --page {out}"],
)
def test_a_file_is_not_written_below_a_file_nor_over_a_folder(words, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    line = refuse(words.format(here=tmp_path, out=tmp_path / "file" / "x.csv"), capsys)
    assert "/file is a file, not a folder; give another place with --" in line
    line = refuse(words.format(here=tmp_path, out=tmp_path), capsys)
    assert line.startswith(f"disc: {tmp_path}: is a folder; name the file to write")


def test_what_cannot_be_written_to_is_said_and_links_are_followed(tmp_path, monkeypatch):
    request = RunRequest(run=replace(smoke(), out=tmp_path / "a" / "runs"))
    check_places(request)
    (tmp_path / "a").symlink_to(tmp_path / "none")
    with pytest.raises(BadInput, match=r"a is a link that leads nowhere, not a folder; give"):
        check_places(request)
    (tmp_path / "none").mkdir()
    check_places(request)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "a")
    with pytest.raises(BadInput, match=r"smoke: .*/a cannot be written to; see its permissions"):
        check_places(request)
    check_places(replace(request, dry_run=True))


def test_what_the_system_says_has_no_number(capsys, tmp_path, monkeypatch):
    def fail(words, commands, about):
        raise NotADirectoryError(20, "Not a directory", str(tmp_path / "x"))

    monkeypatch.setattr(cli, "understand", fail)
    assert refuse("run", capsys) == f"disc: {tmp_path / 'x'}: Not a directory"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(12, "Cannot allocate memory"), "Cannot allocate memory"),
        (
            OSError(18, "Invalid cross-device link", "a", None, "b"),
            "a to b: Invalid cross-device link",
        ),
        (OSError(28, "No space left on device", b"a"), "a: No space left on device"),
        (OSError("said by hand"), "said by hand"),
    ],
)
def test_what_the_system_says_has_its_files_and_no_number(error, said):
    assert tell_error(error) == said
