"""Processes end together, and say why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from disc import cli
from disc.files import is_running

ROOT = Path(__file__).parents[1]
SLEEP = """
import os, signal, sys, time
from disc.processes import spread

# a shell in the background lets its children ignore it
signal.signal(signal.SIGINT, signal.default_int_handler)

def sleep(seconds):
    print(os.getpid(), flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    with spread(2) as run:
        list(run(sleep, [120] * 8))
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_command_that_started_them(tmp_path, kill):
    script = tmp_path / "sleep.py"
    script.write_text(SLEEP)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        workers = [int(process.stdout.readline()) for _ in range(2)]
        assert all(map(is_running, workers))
        process.send_signal(kill)
        process.wait(timeout=30)
    until = time.monotonic() + 30
    while any(map(_is_at_work, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_is_at_work, workers))


def _is_at_work(pid):
    """Whether a process runs; one that has ended may still be listed until it is waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_that_is_stopped_says_so(monkeypatch, capsys, number, code):
    def understand(*words):
        return lambda: os.kill(os.getpid(), number) or time.sleep(10)

    monkeypatch.setattr(cli, "understand", understand)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert cli.main([]) == code
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "disc: stopped; the same command goes on, or begins anew\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
LOAD = """
import ctypes, importlib.util, sys
from pathlib import Path
from disc.cli import prepare_process
prepare_process()
assert "torch" not in sys.modules
[folder] = importlib.util.find_spec("torch").submodule_search_locations
for path in (Path(folder) / "lib").glob("libgomp*.so*"):
    ctypes.CDLL(str(path))
"""


def test_threads_spin_for_a_short_time_as_libgomp_understands_it():
    others = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", *PASSIVE)}
    environment = {**others, "OMP_DISPLAY_ENV": "VERBOSE"}
    words = [sys.executable, "-c", LOAD]
    told = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    if "GOMP_SPINCOUNT" not in told.stderr:
        pytest.skip("this torch has another OpenMP")
    assert "GOMP_SPINCOUNT = '10000'" in told.stderr


@pytest.mark.parametrize("given", [{"GOMP_SPINCOUNT": "77"}, PASSIVE])
def test_how_threads_wait_is_left_to_the_user(monkeypatch, given):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    cli.prepare_process()
    assert os.environ.get("GOMP_SPINCOUNT") == given.get("GOMP_SPINCOUNT")
