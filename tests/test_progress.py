"""Logs without a terminal: a line a minute, with a clock, of how far long work is."""

import gc
import re
import sys
import time

import pytest
import torch

from disc import progress
from disc.progress import Bar, print_line, tell_progress
from disc.train.log import Log

CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "


@pytest.fixture(autouse=True)
def minute(monkeypatch):
    """A minute that passes in no time."""
    monkeypatch.setattr(progress, "MINUTE", 0.05)


def wait_for(lines, num, seconds=10.0):
    end = time.monotonic() + seconds
    while len(lines) < num and time.monotonic() < end:
        time.sleep(0.01)
    return lines[num - 1]


def test_a_training_tells_step_loss_rate_and_time_left(tmp_path):
    lines = []
    with tell_progress("stage 3 of 17, denoiser/sd", lines.append):
        log = Log(tmp_path / "sd", total=1400, start=1000, shown=True)
        for _ in range(100):
            log.advance({"loss": torch.tensor(0.25)})
        said = wait_for(lines, len(lines) + 2)
        log.close()
    found = re.fullmatch(
        r"stage 3 of 17, denoiser/sd: 1,100 of 1,400 steps, loss 0\.25, "
        r"(\S+) steps/s, (\d:\d\d:\d\d) left",
        said,
    )
    assert found


def test_rate_and_time_left_are_of_what_was_done_since_the_start(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with tell_progress("s", str):
        bar = Bar("bank", total=600, start=200, unit="bundle")
        assert bar.tell() == "200 of 600 bundles"
        now[0] += 50
        bar.advance(100)
        # 100 bundles in 50 s: two a second, and 300 of them left
        assert bar.tell() == "300 of 600 bundles, 2 bundles/s, 0:02:30 left"
        bar.close()


def test_work_without_a_bar_says_that_it_lives():
    lines = []
    with tell_progress("stage 9 of 17, agreement", lines.append):
        wait_for(lines, 1)
        bar = Bar("real", total=4, unit="step")
        said = wait_for(lines, len(lines) + 2)
        bar.close()
    assert re.fullmatch(r"stage 9 of 17, agreement: at work for 0:00:\d\d", lines[0])
    assert said == "stage 9 of 17, agreement: real: 0 of 4 steps"


def test_nothing_is_said_after_the_end():
    lines = []
    with pytest.raises(FloatingPointError), tell_progress("work", lines.append):
        wait_for(lines, 1)
        raise FloatingPointError
    num = len(lines)
    time.sleep(0.2)
    assert len(lines) == num


def test_outside_of_a_run_lines_go_to_standard_error(capsys):
    """Standard output may be a program's: `disc check --json -`."""
    bar = Bar("tiling", total=3, unit="slide")
    time.sleep(0.2)
    bar.close()
    told = capsys.readouterr()
    assert not told.out
    assert re.match(CLOCK + r"tiling: 0 of 3 slides\n", told.err)


def test_a_bar_that_an_error_left_open_falls_silent(capsys):
    def fail():
        bar = Bar("tiling", total=3, unit="slide")
        bar.advance()
        time.sleep(0.2)
        raise FloatingPointError

    with pytest.raises(FloatingPointError):
        fail()
    gc.collect()
    assert "tiling: 1 of 3 slides" in capsys.readouterr().err
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_a_bar_that_is_not_shown_says_nothing():
    lines = []
    with tell_progress("work", lines.append):
        bar = Bar("other process", total=3, unit="slide", shown=False)
        wait_for(lines, 2)
        bar.close()
    assert all("at work" in line for line in lines)


def test_a_terminal_has_bars_and_no_lines(monkeypatch):
    lines = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with tell_progress("work", lines.append):
        time.sleep(0.2)
    assert lines == []


def test_a_log_gets_lines_where_only_errors_go_to_the_terminal(monkeypatch):
    """`disc run ... > log.txt`: bars are seen on the terminal, and the file has lines."""
    lines = []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with tell_progress("work", lines.append):
        wait_for(lines, 1)
    assert lines


def test_every_line_has_a_clock(capsys):
    print_line("stage 1 of 17, data: starting")
    assert re.fullmatch(CLOCK + r"stage 1 of 17, data: starting\n", capsys.readouterr().out)


def test_a_bar_within_another_shares_its_display_and_its_lines(capsys):
    outer = Bar("grading", total=2, unit="slide")
    inner = Bar("core", total=9, unit="block")
    inner.advance(4)
    assert inner._display is outer._display and len(outer._display.tasks) == 2
    time.sleep(0.4)
    inner.close()
    assert len(outer._display.tasks) == 1
    outer.close()
    said = capsys.readouterr().err.splitlines()
    assert said and all("core: 4 of 9 blocks" in line for line in said)
    assert Bar("next", total=1, unit="slide")._display is not outer._display
