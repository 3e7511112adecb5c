import errno
import os

import pytest

from disc import files, seeds


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
