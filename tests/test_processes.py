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
    assert capsys.readouterr().err == "disc: stopped; the same command resumes\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
