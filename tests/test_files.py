import errno
import os
import subprocess
import sys

import pytest

from disc import files, seeds
from disc.progress import print_line


def test_what_stood_before_survives_a_failed_write(tmp_path, monkeypatch):
    path = tmp_path / "table"
    files.write_bytes(path, b"whole")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    for point in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, point, full)
            with pytest.raises(OSError, match="cannot write 6 bytes") as caught:
                files.write_bytes(path, b"broken")
        assert str(path) in str(caught.value)
        assert path.read_bytes() == b"whole"
        assert os.listdir(tmp_path) == ["table"]


def test_damaged_json_is_named(tmp_path):
    path = tmp_path / "facts.json"
    path.write_text('{"half": ')
    with pytest.raises(files.BadInput, match=str(path)):
        files.read_json(path)


def test_digests_do_not_depend_on_the_order_of_keys():
    assert files.digest({"a": 1, "b": 2}) == files.digest({"b": 2, "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 2})


def test_seeds_tell_purposes_indices_and_types_apart():
    parts = [(1, "a", 2), (1, "a", 3), (1, "b", 2), (2, "a", 2), (1, "a2"), (1, "a", "2")]
    assert len({seeds.derive(*one) for one in parts}) == len(parts)
    assert seeds.derive(1, "noise", 7) == seeds.derive(1, "noise", 7)
    assert seeds.numpy_generator(0, "x").random() == seeds.numpy_generator(0, "x").random()


def test_seeds_stay_the_same_from_release_to_release():
    """Published sets can be drawn again only while this holds."""
    assert seeds.derive(0, "noise") == 6029071906908135005


def test_only_files_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read_bytes(tmp_path / "file", max_bytes=5) == b"12345"
    with pytest.raises(files.BadInput, match="file: 5 bytes; expected at most 4"):
        files.read_bytes(tmp_path / "file", max_bytes=4)
    with pytest.raises(FileNotFoundError, match="other: no such file"):
        files.read_bytes(tmp_path / "other")
    with pytest.raises(files.BadInput, match="not a file"):
        files.read_bytes(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(files.BadInput, match="pipe: not a file"):
        files.read_bytes(tmp_path / "pipe")


def test_a_message_is_one_line():
    assert str(files.BadInput("file: bad (said\nthe library)")) == "file: bad (said the library)"


def test_a_temporary_name_cannot_be_guessed_and_follows_no_link(tmp_path, monkeypatch):
    names = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: names.append(old) or replace(old, new))
    for _ in range(2):
        files.write_bytes(tmp_path / "table", b"whole")
    assert len({name.name for name in names}) == 2
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    monkeypatch.setattr(files.secrets, "token_hex", lambda number: "0")
    (tmp_path / f".table.{os.getpid()}-0.tmp").symlink_to(victim)
    with pytest.raises(OSError, match="cannot write"):
        files.write_bytes(tmp_path / "table", b"other")
    assert victim.read_bytes() == b"mine" and (tmp_path / "table").read_bytes() == b"whole"


def test_what_killed_processes_left_is_removed(tmp_path):
    (tmp_path / "run" / "deep").mkdir(parents=True)
    (tmp_path / "run" / "deep" / ".half.1-a.tmp").write_bytes(b"half")
    (tmp_path / "run" / ".folder.1-a.tmp").mkdir()
    (tmp_path / "run" / ".folder.1-a.tmp" / "file").write_bytes(b"half")
    (tmp_path / "run" / "kept").write_bytes(b"kept")
    files.sweep(tmp_path / "run")
    assert [path.name for path in sorted((tmp_path / "run").rglob("*"))] == ["deep", "kept"]


def test_a_set_is_cleared_of_what_killed_processes_left(tmp_path):
    """`disc tile` and `disc convert` left them there."""
    files.claim_folder(tmp_path, {"asked": 1})
    (tmp_path / "images").mkdir()
    names = [f".a.jpg.{pid}-0a.tmp" for pid in (2**22 + 1, os.getpid())]
    for name in (*names, "a.jpg"):
        (tmp_path / "images" / name).write_bytes(b"half")
    files.claim_folder(tmp_path, {"asked": 1})
    assert {path.name for path in (tmp_path / "images").iterdir()} == {names[1], "a.jpg"}


def test_a_folder_that_a_killed_process_was_writing_is_removed(tmp_path):
    dead, alive = (tmp_path / f".out.{pid}-a.tmp" for pid in (2**22 + 1, os.getpid()))
    dead.mkdir()
    alive.mkdir()
    with files.whole_folder(tmp_path / "out") as folder:
        (folder / "file").write_bytes(b"whole")
    assert not dead.exists() and alive.exists() and (tmp_path / "out" / "file").exists()


@pytest.mark.parametrize("name", [".DS_Store", "file"])
def test_a_folder_that_cannot_be_replaced_is_refused_before_the_work(tmp_path, name):
    """`os.replace` takes no folder with a file in it, hidden or not."""
    out = tmp_path / "out"
    out.mkdir()
    with files.whole_folder(out) as folder:
        (folder / "made").touch()
    with pytest.raises(files.BadInput, match="is not an empty folder"), files.whole_folder(out):
        raise AssertionError("the work began")
    (out / "made").rename(out / name)
    with pytest.raises(files.BadInput, match="is not an empty folder"), files.whole_folder(out):
        raise AssertionError("the work began")
    assert (out / name).exists()


def test_escape_sequences_reach_no_terminal(capsys):
    name = "slide" + chr(27) + "]0;owned" + chr(7) + chr(0x9B) + "2J" + chr(0x202E) + ".tif"
    told = str(files.BadInput(f"{name}: damaged"))
    assert told == "slide" + r"\x1b]0;owned\x07\x9b2J\u202e" + ".tif: damaged"
    print_line(name)
    assert chr(27) not in capsys.readouterr().out


def test_lines_are_utf8_whatever_the_machine_speaks(tmp_path):
    program = (
        f"from disc.files import append_line; append_line({str(tmp_path / 'log')!r}, '\\u674e')"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, **plain})
    assert (tmp_path / "log").read_text("utf-8") == "李\n"
