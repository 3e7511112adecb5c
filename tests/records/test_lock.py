import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from disc.files import BadInput
from disc.records import lock
from disc.records.lock import find_holder, hold_folder

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from disc.records.lock import hold_folder
with hold_folder(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder."""
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def write_holder(folder, **facts):
    held = {"host": socket.gethostname(), "pid": 4242, "started": "2026-01-02 03:04:05"} | facts
    (folder / lock.NAME).write_text(json.dumps(held))


def test_a_second_process_is_told_who_holds_the_folder(tmp_path, other):
    said = rf"in use by process {other.pid} on {socket.gethostname()} since 20\d\d-.*; wait until"
    with pytest.raises(BadInput, match=said), hold_folder(tmp_path, print):
        pass
    assert find_holder(tmp_path).pid == other.pid


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert find_holder(tmp_path) is None
    said = []
    with hold_folder(tmp_path, said.append):
        assert find_holder(tmp_path).pid == os.getpid()
    assert len(said) == 1 and f"process {other.pid} on" in said[0] and "is no more" in said[0]
    with hold_folder(tmp_path, said.append):
        assert len(said) == 1


def test_the_lock_of_another_machine_stands_while_it_shows_that_it_lives(tmp_path):
    write_holder(tmp_path, host="elsewhere")
    with pytest.raises(BadInput, match=r"process 4242 on elsewhere.*delete .*\.lock"):
        hold_folder(tmp_path, print).__enter__()
    long_ago = time.time() - lock.PATIENCE - 1
    os.utime(tmp_path / lock.NAME, (long_ago, long_ago))
    with hold_folder(tmp_path, print):
        pass


def test_where_the_system_knows_no_locks_the_number_of_the_process_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_lock", lambda descriptor: True)
    monkeypatch.setattr(lock, "_knows_locks", lambda descriptor: False)
    write_holder(tmp_path, pid=os.getppid())
    with pytest.raises(BadInput, match=f"process {os.getppid()} on"):
        hold_folder(tmp_path, print).__enter__()
    write_holder(tmp_path, pid=2**22 + 1)
    with hold_folder(tmp_path, print):
        pass


def test_it_is_let_go_whatever_happens(tmp_path):
    with pytest.raises(KeyboardInterrupt), hold_folder(tmp_path, print):
        raise KeyboardInterrupt
    assert (tmp_path / lock.NAME).read_bytes() == b""


def test_a_holder_shows_that_it_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with hold_folder(tmp_path, print):
        os.utime(tmp_path / lock.NAME, (1, 1))
        until = time.monotonic() + 10
        while (tmp_path / lock.NAME).stat().st_mtime == 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert (tmp_path / lock.NAME).stat().st_mtime > 1


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("a", path)])
def test_what_is_no_file_in_its_place_is_named(tmp_path, make):
    make(tmp_path / lock.NAME)
    with pytest.raises(BadInput, match=r"\.lock: .*; delete it"), hold_folder(tmp_path, print):
        pass


@pytest.fixture
def read_only(monkeypatch):
    """What the system answers to somebody who may only read (the tests may run as root)."""
    really = os.open

    def open_(path, flags, *more, **kept):
        if str(path).endswith(lock.NAME) and flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return really(path, flags, *more, **kept)

    monkeypatch.setattr(os, "open", open_)


@pytest.mark.usefixtures("read_only")
def test_the_holder_of_a_folder_that_may_only_be_read_is_told(tmp_path, other):
    before = (tmp_path / lock.NAME).read_bytes(), (tmp_path / lock.NAME).stat().st_mtime_ns
    assert find_holder(tmp_path).pid == other.pid
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert find_holder(tmp_path) is None
    after = (tmp_path / lock.NAME).read_bytes(), (tmp_path / lock.NAME).stat().st_mtime_ns
    assert after == before


@pytest.mark.usefixtures("read_only")
def test_nobody_is_told_to_delete_a_lock_that_may_be_held(tmp_path):
    write_holder(tmp_path)
    said = r"\.lock: cannot be written \(Permission denied\), so .* see the permissions"
    with pytest.raises(BadInput, match=said) as refusal, hold_folder(tmp_path, print):
        pass
    assert "delete it" not in str(refusal.value)


def test_to_look_is_to_read(tmp_path, monkeypatch):
    write_holder(tmp_path)

    def refuse(path, flags, *more, **kept):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BadInput, match=r"\.lock: cannot be read \(Permission denied\)"):
        find_holder(tmp_path)


def test_a_forked_worker_does_not_keep_it(tmp_path):
    with hold_folder(tmp_path, print):
        (begun, begin), (read, write) = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            os.write(begin, b"x")
            os.read(read, 1)
            os._exit(0)
        os.read(begun, 1)
    with hold_folder(tmp_path, print):
        os.write(write, b"x")
        os.waitpid(child, 0)
